-- pause.lua: no job of the queue starts any more, or they do again.
-- Flags: allow-oom
-- KEYS[1] ready  KEYS[2] suspects  KEYS[3] wake  KEYS[4] events  KEYS[5] meta
-- KEYS[6] producers
-- ARGV[1] call  as for remove.lua  ARGV[2] 1 to pause, 0 to resume
-- Returns 1 if that changed anything
local ready, suspects, wake, events, meta, producers = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local call, pause = ARGV[1], ARGV[2] == '1'
--@include now
--@include types
--@include arguments
--@include state
--@include open
--@include answered
require_arguments(2)
require_types({ meta, producers }, { ready, suspects, wake }, { events })
if answer_before() then
  return 1
end
if paused and pause or not paused and not pause then
  return 0
end
open_queue()
if pause then
  redis.call('HSET', meta, 'paused', '1')
else
  redis.call('HDEL', meta, 'paused')
  if redis.call('ZCARD', ready) + redis.call('ZCARD', suspects) > 0 then
    redis.call('ZADD', wake, 0, '1')
  end
end
redis.call('XADD', events, 'MAXLEN', '~', 2000, '*', pause and 'paused' or 'resumed', '')
answer('')
return 1
