-- close.lua: let no job of a scope start for a while, or let them start again.
-- Flags: allow-oom
-- KEYS[1] limits  KEYS[2] opens  KEYS[3] due  KEYS[4] meta  KEYS[5] producers
-- ARGV[1] call   as for remove.lua
-- ARGV[2] scope  as for limit.lua, without *  ARGV[3] ms  how long from now; 0 to open it again
-- Returns 1 if it is open now and was closed, or is closed for much longer than it was
local limits, opens, due, meta, producers = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call, scope, ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
--@include now
--@include types
--@include arguments
--@include state
--@include open
--@include close
--@include answered
require_arguments(3)
require_types({ limits, producers }, { opens, due })
local before = answer_before()
if before then
  return tonumber(before)
end
local closed_until = tonumber(redis.call('HGET', limits, 'c' .. scope) or 0)
open_queue()
if ms > 0 then
  redis.call('HDEL', limits, 'c' .. scope)
  shut(scope, ms)
elseif redis.call('HDEL', limits, 'c' .. scope) == 1 then
  redis.call('ZADD', opens, time, scope)
end
redis.call('ZADD', due, 0, '1')
-- A pause is for ever, counted from now: another one adds nothing to it.
local changed = (ms > 0 and now + ms / 2 > closed_until or ms == 0 and closed_until > now) and 1 or 0
answer(changed)
return changed
