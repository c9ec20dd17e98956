-- repair.lua: of a random sample of each key, mend what something else has damaged.
-- Flags: allow-oom
-- KEYS[1] jobs       KEYS[2] runs       KEYS[3] results    KEYS[4] errors     KEYS[5] ready
-- KEYS[6] suspects   KEYS[7] scheduled  KEYS[8] retrying   KEYS[9] leases     KEYS[10] blocked
-- KEYS[11] completed KEYS[12] kept      KEYS[13] cancelled KEYS[14] dead      KEYS[15] unknown
-- KEYS[16] waiters   KEYS[17] stats     KEYS[18] events    KEYS[19] meta
-- ARGV[1] most       fields and members of each key to look at; 100 at most
-- Returns { ids put among the dead, things removed, leases shortened }
-- The record of a job says in which index it belongs. What another index holds of it is removed, and
-- a finished job goes back into its own. An unfinished one that its index lacks, or whose record cannot
-- be read, is put among the dead: nobody knows whether it ran.
local jobs, runs, results, errors, ready = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local suspects, scheduled, retrying, leases, blocked = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local completed, kept, cancelled, dead, unknown = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local waiters, stats, events, meta = KEYS[16], KEYS[17], KEYS[18], KEYS[19]
local most = tonumber(ARGV[1])
--@include now
--@include types
--@include arguments
--@include state
if not schema then
  return { {}, 0, 0 }
end
--@include record
--@include netstring
--@include tally
--@include evict
--@include rest
--@include quarantine
require_arguments(1)
require_types({ jobs, runs, results, errors, stats }, { unknown, unpack(INDEXES) }, { events })
local removed, shortened = 0, 0
-- A score that no script writes: a waiting job with one would wait for ever, or hold up the others.
local function check_score(index, id, run, score)
  if score < 0 or score >= 9007199254740992 then
    if not run or not FINISHED[run.state] then
      quarantine(id, run, 'its score ' .. score .. ' is out of range')
    else
      redis.call('ZADD', index, time, id)
    end
  elseif index == leases and run then
    -- Left behind by a clock that was set back: the holder beats, or loses the job in time.
    local longest = now + (tonumber(option(run.header, 'l')) or 15000)
    if score > longest then
      redis.call('ZADD', leases, int(longest), id)
      shortened = shortened + 1
    end
  end
end
local function check(key, id, text, score)
  local run = read_run(text)
  local state = run and run.state or (not text and 'q' or '?')
  local home = home_of(state, id)
  if redis.call('HEXISTS', jobs, id) == 0 or (key == results and state ~= 'c') then
    remove(key, id)
    removed = removed + 1
  elseif not home and FINISHED[state] then
    redis.call('ZADD', HOMES[state][1], time, id)
  elseif not home then
    quarantine(id, run, 'the index of its state, ' .. state .. ', does not hold it')
  elseif score and key ~= home then
    redis.call('ZREM', key, id)
    removed = removed + 1
  elseif score then
    check_score(key, id, run, score)
  end
end
-- An in-memory server answers false where the key is missing.
local function sample(i)
  if i > 4 then
    return redis.call('ZRANDMEMBER', KEYS[i], most) or {}
  end
  return redis.call('HRANDFIELD', KEYS[i], most) or {}
end
for i = 1, 14 do
  local ids = sample(i)
  local texts = #ids > 0 and redis.call('HMGET', runs, unpack(ids))
  for n, id in ipairs(ids) do
    if not buried[id] then
      check(KEYS[i], id, texts[n], i > 4 and tonumber(redis.call('ZSCORE', KEYS[i], id)))
    end
  end
end
settle()
publish()
return { quarantined, removed, shortened }
