-- oldest.lua: how long the oldest queued job has waited, of the 32 highest priorities in use.
-- Needs: int, since.lua; ready. Gives: oldest_wait() -> ms, -1 where nothing is queued.
local function oldest_wait()
  local oldest, from = -1, '-inf'
  for _ = 1, 32 do
    local head = redis.call('ZRANGE', ready, from, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
    if not head then
      break
    end
    oldest = math.max(oldest, oldest_of(tonumber(head)) or -1)
    from = int((math.floor(tonumber(head) / BAND) + 1) * BAND)
  end
  return oldest
end
