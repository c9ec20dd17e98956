-- keep.lua: how many finished jobs of each state the queue keeps, instead of 100,000.
-- Flags: allow-oom
-- KEYS[1] meta
-- ARGV[1] completed  number, empty for the default  ARGV[2] cancelled  likewise  ARGV[3] dead  likewise
-- Returns 1 if that changed anything
local meta = KEYS[1]
local completed, cancelled, dead = ARGV[1], ARGV[2], ARGV[3]
--@include types
--@include arguments
require_arguments(3)
require_types({ meta }, {})
local caps = completed .. ',' .. cancelled .. ',' .. dead
if (redis.call('HGET', meta, 'caps') or ',,') == caps then
  return 0
end
if caps == ',,' then
  redis.call('HDEL', meta, 'caps')
else
  redis.call('HSET', meta, 'caps', caps)
end
return 1
