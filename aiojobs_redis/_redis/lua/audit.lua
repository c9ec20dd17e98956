-- audit.lua: of a random sample, index members without a record and records that no index has.
-- Flags: allow-oom
-- KEYS[1] jobs       KEYS[2] ready      KEYS[3] suspects  KEYS[4] scheduled  KEYS[5] blocked
-- KEYS[6] leases     KEYS[7] retrying   KEYS[8] completed KEYS[9] kept       KEYS[10] dead
-- KEYS[11] cancelled
-- ARGV[1] limit      records, and members of each index, to look at; 100 at most
-- Returns { { key of the index, id, ... } for members without a record, ids of records without one }
local jobs, ready, suspects, scheduled, blocked, leases = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local retrying, completed, kept, dead, cancelled = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local limit = tonumber(ARGV[1])
local indexes = { ready, suspects, scheduled, blocked, leases, retrying, completed, kept, dead, cancelled }
local members, records = {}, {}
for _, index in ipairs(indexes) do
  for _, id in ipairs(redis.call('ZRANDMEMBER', index, limit) or {}) do
    if redis.call('HEXISTS', jobs, id) == 0 then
      members[#members + 1] = index
      members[#members + 1] = id
    end
  end
end
for _, id in ipairs(redis.call('HRANDFIELD', jobs, limit) or {}) do
  local found = false
  for _, index in ipairs(indexes) do
    found = found or redis.call('ZSCORE', index, id)
  end
  if not found then
    records[#records + 1] = id
  end
end
return { members, records }
