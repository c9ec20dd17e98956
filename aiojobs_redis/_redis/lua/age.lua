-- age.lua: let waiting jobs gain priority as they wait, or no longer.
-- Flags: allow-oom
-- KEYS[1] meta
-- ARGV[1] ms  for which a job waits to gain one level of priority; empty to let none gain any more
-- Returns 1 if that changed anything
-- Those that have gained some by then keep it.
local meta = KEYS[1]
local level = ARGV[1]
--@include now
--@include types
--@include arguments
--@include state
--@include open
require_arguments(1)
require_types({ meta }, {})
if (queue_state[9] or '') == level then
  return 0
end
open_queue()
redis.call('HSET', meta, 'ageing', level)
return 1
