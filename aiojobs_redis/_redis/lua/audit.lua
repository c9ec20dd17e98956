-- audit.lua: of a random sample, index members without a record and records that no index has.
-- Flags: allow-oom
-- KEYS[1] jobs       KEYS[2] ready      KEYS[3] suspects  KEYS[4] scheduled  KEYS[5] blocked
-- KEYS[6] leases     KEYS[7] retrying   KEYS[8] completed KEYS[9] kept       KEYS[10] dead
-- KEYS[11] cancelled
-- ARGV[1] limit      records, and members of each index, to look at; 100 at most
-- Returns { { key of the index, id, ... } for members without a record, ids of records without one }
local limit, jobs = tonumber(ARGV[1]), KEYS[1]
local members, records = {}, {}
for i = 2, #KEYS do
  for _, id in ipairs(redis.call('ZRANDMEMBER', KEYS[i], limit)) do
    if redis.call('HEXISTS', jobs, id) == 0 then
      members[#members + 1] = KEYS[i]
      members[#members + 1] = id
    end
  end
end
for _, id in ipairs(redis.call('HRANDFIELD', jobs, limit)) do
  local found = false
  for i = 2, #KEYS do
    found = found or redis.call('ZSCORE', KEYS[i], id)
  end
  if not found then
    records[#records + 1] = id
  end
end
return { members, records }
