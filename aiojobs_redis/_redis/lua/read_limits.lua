-- read_limits.lua: what limit and weigh have set.
-- Flags: allow-oom
-- KEYS[1] limits
-- Returns scope, "concurrency,count,window ms", and so on; w and a key, weight
local limits = KEYS[1]
return redis.call('HGETALL', limits)
