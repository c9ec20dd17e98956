-- repair.lua: of a random sample of each key, mend what something else has damaged.
-- Flags: allow-oom
-- KEYS[1] jobs       KEYS[2] runs       KEYS[3] results    KEYS[4] errors     KEYS[5] ready
-- KEYS[6] suspects   KEYS[7] scheduled  KEYS[8] retrying   KEYS[9] leases     KEYS[10] blocked
-- KEYS[11] completed KEYS[12] kept      KEYS[13] cancelled KEYS[14] dead      KEYS[15] unknown
-- KEYS[16] waiters   KEYS[17] stats     KEYS[18] events    KEYS[19] meta     KEYS[20] extras
-- KEYS[21] slots     KEYS[22] opens     KEYS[23] edges     KEYS[24] flows    KEYS[25] due
-- KEYS[26] unique    KEYS[27] followers
-- ARGV[1] most       fields and members of each key to look at, a quarter of it where there are more:
--                    in large keys each one is far from the next, and takes microseconds
-- Returns { ids put among the dead, things removed, leases shortened }
-- The record of a job says in which index it belongs. What another index holds of it is removed, and
-- a finished job goes back into its own. An unfinished one that its index lacks, or whose record cannot
-- be read, is put among the dead: nobody knows whether it ran.
-- A release that adds a state or an index has to raise the schema: an older leader would find damage.
local jobs, runs, results, errors, ready = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local suspects, scheduled, retrying, leases, blocked = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local completed, kept, cancelled, dead, unknown = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local waiters, stats, events, meta, extras = KEYS[16], KEYS[17], KEYS[18], KEYS[19], KEYS[20]
local slots, opens, edges, flows, due = KEYS[21], KEYS[22], KEYS[23], KEYS[24], KEYS[25]
local unique, followers = KEYS[26], KEYS[27]
local most = tonumber(ARGV[1])
--@include now
--@include types
--@include arguments
--@include state
if schema ~= '1' then
  return { {}, 0, 0 }
end
--@include record
--@include ranked
--@include netstring
--@include tally
--@include peek
--@include flowing
--@include among edges
--@include unique
--@include following
--@include follow
--@include evict
--@include scope
--@include depart
--@include line
--@include rest
--@include settle
--@include quarantine
--@include restore
--@include abroad
--@include waiting
--@include lined
--@include unknown
--@include check
--@include tidy
--@include tidy_slots
require_arguments(1)
require_types({ jobs, runs, results, errors, stats, extras }, { unknown, slots, opens, unpack(INDEXES) }, { events })
-- An in-memory server answers false where the key is missing.
local function sample(i)
  local some = math.ceil(most / 4)
  if i > 4 and i < 20 then
    return redis.call('ZRANDMEMBER', KEYS[i], redis.call('ZCARD', KEYS[i]) > most and some or most) or {}
  end
  return redis.call('HRANDFIELD', KEYS[i], redis.call('HLEN', KEYS[i]) > most and some or most) or {}
end
for i = 1, 14 do
  local ids = sample(i)
  local texts = #ids > 0 and redis.call('HMGET', runs, unpack(ids))
  for n, id in ipairs(ids) do
    if not dealt_with[id] then
      check(KEYS[i], id, texts[n], i > 4 and tonumber(redis.call('ZSCORE', KEYS[i], id)))
    end
  end
end
for _, member in ipairs(sample(15)) do
  local id = string.match(member, '^[^,]*,%d+,(.*)$')
  if not id or not redis.call('ZSCORE', blocked, id) then
    redis.call('ZREM', unknown, member)
    removed = removed + 1
  end
end
if flowing then
  tidy_edges(redis.call('ZRANDMEMBER', edges, most) or {})
  tidy_flows(redis.call('HRANDFIELD', flows, most) or {})
end
for _, field in ipairs(sample(20)) do
  if redis.call('HEXISTS', jobs, string.sub(field, 2)) == 0 then
    redis.call('HDEL', extras, field)
    removed = removed + 1
  end
end
tidy_slots(redis.call('ZRANDMEMBER', slots, most) or {})
settle()
publish()
return { quarantined, removed, shortened }
