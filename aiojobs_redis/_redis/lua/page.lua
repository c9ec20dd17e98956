-- page.lua: one page of the ids of a state, in the order of its index.
-- Flags: allow-oom
-- KEYS[1] ready      KEYS[2] suspects   KEYS[3] scheduled  KEYS[4] blocked  KEYS[5] leases
-- KEYS[6] retrying   KEYS[7] completed  KEYS[8] kept       KEYS[9] dead     KEYS[10] cancelled
-- ARGV[1] state letter  ARGV[2] offset  ARGV[3] limit, at most 1,000
-- Returns ids; queued: those of ready, then the suspects; completed: then those with a retention of their own
local INDEX = {
  q = { KEYS[1], KEYS[2] }, s = { KEYS[3] }, b = { KEYS[4] }, r = { KEYS[5] },
  t = { KEYS[6] }, c = { KEYS[7], KEYS[8] }, d = { KEYS[9] }, x = { KEYS[10] },
}
local indexes, offset, limit = INDEX[ARGV[1]], tonumber(ARGV[2]), tonumber(ARGV[3])
local found = {}
for _, index in ipairs(indexes) do
  if #found < limit then
    for _, id in ipairs(redis.call('ZRANGE', index, offset, offset + limit - #found - 1)) do
      found[#found + 1] = id
    end
  end
  offset = math.max(0, offset - redis.call('ZCARD', index))
end
return found
