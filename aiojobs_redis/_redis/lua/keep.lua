-- keep.lua: how many finished jobs of each state the queue keeps, instead of 100,000.
-- Flags: allow-oom
-- KEYS[1] meta  KEYS[2] producers
-- ARGV[1] call       as for remove.lua
-- ARGV[2] completed  number, empty for the default  ARGV[3] cancelled  likewise  ARGV[4] dead  likewise
-- Returns 1 if that changed anything
local meta, producers = KEYS[1], KEYS[2]
local call, completed, cancelled, dead = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
--@include now
--@include types
--@include arguments
--@include state
--@include open
--@include answered
require_arguments(4)
require_types({ meta, producers }, {})
if answer_before() then
  return 1
end
local caps = completed .. ',' .. cancelled .. ',' .. dead
if (redis.call('HGET', meta, 'caps') or ',,') == caps then
  return 0
end
open_queue()
if caps == ',,' then
  redis.call('HDEL', meta, 'caps')
else
  redis.call('HSET', meta, 'caps', caps)
end
answer('')
return 1
