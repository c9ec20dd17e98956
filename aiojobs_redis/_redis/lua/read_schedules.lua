-- read_schedules.lua: schedules with their next tick: the named ones, those that are due, or all.
-- Flags: allow-oom
-- KEYS[1] schedules  KEYS[2] ticks
-- ARGV[1] named | due | all   ARGV[2] ... ids, when named
-- Returns { now, first tick after now or -1, three a schedule: id, record or '', next tick ms or '' };
-- of the due ones 100 at most
local schedules, ticks = KEYS[1], KEYS[2]
--@include now
local ids = {}
if ARGV[1] == 'due' then
  ids = redis.call('ZRANGE', ticks, '-inf', time, 'BYSCORE', 'LIMIT', 0, 100)
elseif ARGV[1] == 'all' then
  ids = redis.call('HKEYS', schedules)
  table.sort(ids)
else
  for i = 2, #ARGV do
    ids[#ids + 1] = ARGV[i]
  end
end
local later = redis.call('ZRANGE', ticks, '(' .. time, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
local found = { now, tonumber(later[2] or -1) }
for _, id in ipairs(ids) do
  found[#found + 1] = id
  found[#found + 1] = redis.call('HGET', schedules, id) or ''
  found[#found + 1] = redis.call('ZSCORE', ticks, id) or ''
end
return found
