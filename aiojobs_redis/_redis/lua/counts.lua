-- counts.lua: how many jobs are in each state, at a cost that does not grow with them.
-- Flags: allow-oom
-- KEYS[1] ready      KEYS[2] suspects  KEYS[3] scheduled  KEYS[4] blocked  KEYS[5] leases
-- KEYS[6] retrying   KEYS[7] completed KEYS[8] kept       KEYS[9] dead     KEYS[10] cancelled
-- KEYS[11] jobs      KEYS[12] runs     KEYS[13] workers    KEYS[14] meta
-- Returns { queued, scheduled, blocked, running, retrying, completed, dead, cancelled, workers,
-- 1 if paused, longest wait of a queued job in ms or -1 }
-- Workers are those seen in the last 5 s that do not stop.
-- The longest wait is that of the oldest job (since.lua) of the 32 highest priorities in use.
local ready, suspects, scheduled, blocked, leases = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local retrying, completed, kept, dead, cancelled = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local jobs, runs, workers, meta = KEYS[11], KEYS[12], KEYS[13], KEYS[14]
--@include now
--@include record since oldest
local function size(...)
  local sum = 0
  for _, index in ipairs({ ... }) do
    sum = sum + redis.call('ZCARD', index)
  end
  return sum
end
local alive = 0
for _, text in ipairs(redis.call('HVALS', workers)) do
  local seen, state = string.match(text, '^(%d+),{"state":"(%a+)"')
  if now - tonumber(seen or string.match(text, '^%d+') or 0) < 5000 and state ~= 'stopping' then
    alive = alive + 1
  end
end
return {
  size(ready, suspects), size(scheduled), size(blocked), size(leases), size(retrying), size(completed, kept), size(dead),
  size(cancelled), alive, redis.call('HEXISTS', meta, 'paused'), oldest_wait(),
}
