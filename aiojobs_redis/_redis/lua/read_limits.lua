-- read_limits.lua: what limit and weigh have set.
-- Flags: allow-oom
-- KEYS[1] limits
-- Returns fields and values as docs/redis.md has them: of scopes, of weights
local limits = KEYS[1]
return redis.call('HGETALL', limits)
