-- close.lua: let no job of a scope start for a while, or let them start again.
-- Flags: allow-oom
-- KEYS[1] limits  KEYS[2] opens  KEYS[3] due  KEYS[4] meta  KEYS[5] producers
-- ARGV[1] call   as for remove.lua
-- ARGV[2] scope  as for limit.lua, without *  ARGV[3] ms  how long from now; 0 to open it again
-- Returns 1 if it was open before and is closed now, or the other way round
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
local was_closed = tonumber(redis.call('HGET', limits, 'c' .. scope) or 0) > now
open_queue()
if ms > 0 then
  redis.call('HDEL', limits, 'c' .. scope)
  shut(scope, ms)
elseif redis.call('HDEL', limits, 'c' .. scope) == 1 then
  redis.call('ZADD', opens, time, scope)
end
redis.call('ZADD', due, 0, '1')
local changed = was_closed == (ms > 0) and 0 or 1
answer(changed)
return changed
