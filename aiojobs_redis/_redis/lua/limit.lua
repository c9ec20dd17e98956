-- limit.lua: limit how fast, and how many at once, the jobs of a scope start; or take the limit away.
-- Flags: allow-oom
-- KEYS[1] limits  KEYS[2] opens  KEYS[3] due  KEYS[4] meta
-- ARGV[1] scope  q for the queue, t and a task, k and a key as in the header, b, a task, / and a key; * as the key for
--                each key by itself
-- ARGV[2] rule   "concurrency,count,window ms", each may be empty; empty to take the limit away
-- Returns 1 if that changed anything
-- Who waits is let out by the next beat or exchange, which the marker asks for; jobs that run hold no slot of
-- a limit that was set after they began.
local limits, opens, due, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local scope, rule = ARGV[1], ARGV[2]
--@include now
--@include types
--@include arguments
--@include state
--@include open
--@include close
require_arguments(2)
require_types({ limits }, { opens, due })
if (redis.call('HGET', limits, scope) or '') == rule then
  return 0
end
open_queue()
if rule == '' then
  redis.call('HDEL', limits, scope)
else
  redis.call('HSET', limits, scope, rule)
end
know(string.sub(scope, 1, 1))
local of_each = scope == 'k*' or string.find(scope, '^b[^/]*/%*$')
if of_each then
  -- Those before the cursor of a walk that is under way were judged by the limit before.
  redis.call('HDEL', limits, 'cursor')
end
redis.call('ZADD', opens, time, of_each and '*' or scope)
redis.call('ZADD', due, 0, '1')
return 1
