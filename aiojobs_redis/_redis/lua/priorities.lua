-- priorities.lua: how many jobs of each priority are queued, and how long the oldest of them has waited.
-- Flags: allow-oom
-- KEYS[1] ready  KEYS[2] suspects  KEYS[3] jobs  KEYS[4] runs
-- ARGV[1] from   score from which to go on, 0 at first
-- Returns { score from which to go on or '', three a priority: it, queued, longest wait in ms or -1 }, the highest
-- first, 32 a call, or fewer with large specs.
local ready, suspects, jobs, runs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
--@include now
--@include record since
local function least(index, from)
  return tonumber(redis.call('ZRANGE', index, int(from), '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2])
end
local from, flat = tonumber(ARGV[1]), {}
while #flat < 96 and room > 0 do
  local one, other = least(ready, from), least(suspects, from)
  local head = math.min(one or other or -1, other or one or -1)
  if head < 0 then
    return { '', flat }
  end
  local first = math.floor(head / BAND) * BAND
  from = first + BAND
  local size = #flat
  flat[size + 1] = 1023 - first / BAND
  flat[size + 2] = redis.call('ZCOUNT', ready, int(first), int(from - 1)) + redis.call('ZCOUNT', suspects, int(first), int(from - 1))
  flat[size + 3] = oldest_of(head) or -1
end
return { int(from), flat }
