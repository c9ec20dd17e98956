-- take_once.lua: a running job asks for an idempotent call: to make it, to get its result, or to wait.
-- Flags: allow-oom
-- KEYS[1] runs  KEYS[2] once  KEYS[3] once_ends
-- ARGV[1] key   ARGV[2] id    ARGV[3] token
-- Returns { OWN } it is the caller's to make | { DONE, what it returned } | { WAIT } another running job makes it
-- | { LOST } the lease is not the caller's any more
-- The owner that asks again, its answer being lost, is answered alike.
local runs, once, once_ends = KEYS[1], KEYS[2], KEYS[3]
local key, id, token = ARGV[1], ARGV[2], ARGV[3]
--@include now
--@include types
--@include arguments
--@include record
--@include once
require_arguments(3)
require_types({ runs, once }, { once_ends })
if not runs_under(id, token) then
  return { 'LOST' }
end
forget_onces(10)
local found, text = read_once(key)
if found and found.done then
  return { 'DONE', string.sub(text, found.at) }
elseif found and found.token ~= token then
  return { 'WAIT' }
end
write_once(key, 'o', now + DAY, token, id)
return { 'OWN' }
