-- pause.lua: no job of the queue starts any more, or they do again.
-- Flags: allow-oom
-- KEYS[1] ready  KEYS[2] suspects  KEYS[3] wake  KEYS[4] events  KEYS[5] meta
-- ARGV[1] 1 to pause, 0 to resume
-- Returns 1 if that changed anything
local ready, suspects, wake, events, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local pause = ARGV[1] == '1'
--@include types
require_types({ meta }, { ready, suspects, wake }, { events })
if (redis.call('HEXISTS', meta, 'paused') == 1) == pause then
  return 0
end
if pause then
  redis.call('HSET', meta, 'paused', '1')
else
  redis.call('HDEL', meta, 'paused')
  if redis.call('ZCARD', ready) + redis.call('ZCARD', suspects) > 0 then
    redis.call('ZADD', wake, 0, '1')
  end
end
redis.call('XADD', events, 'MAXLEN', '~', 2000, '*', pause and 'paused' or 'resumed', '')
return 1
