-- registry.lua: the workers of the queue, as of their last beat.
-- Flags: allow-oom
-- KEYS[1] workers
-- Returns two a worker: name; "time in ms,info"
local workers = KEYS[1]
return redis.call('HGETALL', workers)
