-- end_once.lua: the owner of an idempotent call says what it returned, or that it failed and anybody may try.
-- Flags: allow-oom
-- KEYS[1] runs  KEYS[2] once  KEYS[3] once_ends
-- ARGV[1] key   ARGV[2] id    ARGV[3] token
-- ARGV[4] keep  ms for which the result counts, empty for a call that failed
-- ARGV[5] what it returned
-- Returns 1 | 0 where the lease, or the call, is not the caller's any more: nothing was written
local runs, once, once_ends = KEYS[1], KEYS[2], KEYS[3]
local key, id, token, keep = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
--@include now
--@include types
--@include arguments
--@include record
--@include once
require_arguments(5)
require_types({ runs, once }, { once_ends })
local found = read_once(key)
if not runs_under(id, token) or found and found.token ~= token then
  return 0
elseif keep then
  write_once(key, 'd', now + keep, token, ARGV[5])
elseif found and not found.done then
  drop_once(key)
end
return 1
