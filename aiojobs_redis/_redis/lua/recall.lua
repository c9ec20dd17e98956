-- recall.lua: what a job has left beside its record.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] extras
-- ARGV[1] id    ARGV[2] ...  kinds: p, s, l, c (extras.lua)
-- Returns { 1 or 0 for no such job, what was left of each kind or '' }
local jobs, extras = KEYS[1], KEYS[2]
local found = { redis.call('HEXISTS', jobs, ARGV[1]) }
local OLDER = { l = 'o', c = 'd' }
for i = 2, #ARGV do
  local kind = ARGV[i]
  local text = redis.call('HGET', extras, kind .. ARGV[1]) or ''
  local older = OLDER[kind] and redis.call('HGET', extras, OLDER[kind] .. ARGV[1]) or ''
  found[i] = older .. string.sub(text, string.match(text, '^%d+,%d+,()') or #text + 1)
end
return found
