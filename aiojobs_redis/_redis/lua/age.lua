-- age.lua: let waiting jobs gain priority as they wait, or no longer.
-- Flags: allow-oom
-- KEYS[1] meta  KEYS[2] producers
-- ARGV[1] call  as for remove.lua
-- ARGV[2] ms  for which a job waits to gain one level of priority; empty to let none gain any more
-- Returns 1 if that changed anything
-- Those that have gained some by then keep it.
local meta, producers = KEYS[1], KEYS[2]
local call, level = ARGV[1], ARGV[2]
--@include now
--@include types
--@include arguments
--@include state
--@include open
--@include answered
require_arguments(2)
require_types({ meta, producers }, {})
if answer_before() then
  return 1
end
if (queue_state[9] or '') == level then
  return 0
end
open_queue()
redis.call('HSET', meta, 'ageing', level)
redis.call('HDEL', meta, 'aged_from')
answer('')
return 1
