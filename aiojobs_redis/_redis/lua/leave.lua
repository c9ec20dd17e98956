-- leave.lua: a worker stops cleanly; what only it needed goes, and another may lead at once.
-- Flags: allow-oom
-- KEYS[1] ops  KEYS[2] workers  KEYS[3] wake  KEYS[4] due  KEYS[5] meta
-- ARGV[1] incarnation  hex  ARGV[2] worker  name
-- Returns 1 | 0 where the queue does not exist
-- What it did last is replaced by a number above all others until the janitor's round: a late copy of
-- an exchange would claim jobs for nobody.
-- Both markers are set again, since this worker may have taken one without using it.
local ops, workers, wake, due, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local incarnation, worker = ARGV[1], ARGV[2]
--@include now
--@include types
--@include arguments
--@include state
if not schema then
  return 0
end
require_arguments(2)
require_types({ ops, workers }, { wake, due })
redis.call('HSET', ops, incarnation, '9007199254740991,' .. time .. ',0,')
redis.call('HDEL', workers, worker)
redis.call('HDEL', meta, 'word ' .. worker)
if redis.call('HGET', meta, 'leader') == incarnation then
  redis.call('HDEL', meta, 'leader', 'leader_until')
end
redis.call('ZADD', wake, 0, '1')
redis.call('ZADD', due, 0, '1')
return 1
