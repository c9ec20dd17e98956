-- replay.lua: finished jobs run again under the same id, as their next generation.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] ready  KEYS[4] completed  KEYS[5] kept  KEYS[6] cancelled
-- KEYS[7] dead  KEYS[8] results  KEYS[9] wake  KEYS[10] stats  KEYS[11] events  KEYS[12] unique  KEYS[13] meta
-- KEYS[14] extras  KEYS[15] tags  KEYS[16] blocked  KEYS[17] edges  KEYS[18] flows  KEYS[19] producers  KEYS[20] scheduled
-- KEYS[21] due  KEYS[22] followers  KEYS[23] slots
-- ARGV[1] call    as for remove.lua
-- ARGV[2] states  letters of the states from which a job may run again: of c, d and x; then P and ms since which it may
-- not have ended: one stays that would run without its failed parents; A: so does one that may; S: of one id, see below
-- ARGV[3] ...   ids, at most 250
-- Returns per id the state letter it had; those of states were replayed, others are as they were, '' is unknown;
-- u and an id: not replayed, since that unfinished job holds its unique key; p: one on which it depends has failed,
-- and does not run again in this call; n: it has ended since. With S in upper case
-- where other queues are to be told. Ids are left out from where specs and
-- edges take too long; the first never is. Then + and an id for each other job that this call let run again.
-- Jobs that died of one of them run again too: whoever asks for their result next must not find the old end.
-- Of a hundred that is so at once, of fifty in a chain, of more with the next exchange or beat, for which the mark stays (revive.lua).
local jobs, runs, ready, completed, kept, cancelled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local dead, results, wake, stats, events = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local unique, meta, extras, tags = KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local blocked, edges, flows, producers, scheduled, due = KEYS[16], KEYS[17], KEYS[18], KEYS[19], KEYS[20], KEYS[21]
local followers, slots = KEYS[22], KEYS[23]
local call, ids = ARGV[1], { unpack(ARGV, 3) }
local states, patient, moment = string.match(ARGV[2], '^(%l*)(%u?)(%d*)$')
moment = tonumber(moment) or math.huge
--@include now types arguments answered state record ranked unique front ready fair peek until_due netstring tally flowing
--@include among edges outbox abroad named again_as_new rejoin enqueued died_of policy revive retake left_out circle
require_arguments(3)
require_types({ jobs, runs, results, stats, unique, followers, extras, producers }, { ready, completed, kept, cancelled, dead, wake, blocked, scheduled, due, slots }, { events })
local before = answer_before()
if before then
  return unpack_ids(before)
end
local found, chosen, runs_again, spent = {}, {}, {}, 0
for i, id in ipairs(ids) do
  if spent > 4194304 then
    break
  end
  local old, blob = read_run(redis.call('HGET', runs, id)), redis.call('HGET', jobs, id)
  -- To write an edge takes as long as to read 4 KiB.
  spent = spent + #(blob or '') + (flowing and 16384 * weight(id) or 0)
  found[i] = old and old.state or blob and 'q' or ''
  if old and blob and string.find(states, old.state, 1, true) then
    if (tonumber(old.finished) or 0) > moment then
      found[i] = 'n'
    else
      chosen[id] = { old = old, blob = blob, header = string.match(blob, '^(,[^\n]*)\n') or '' }
    end
  end
end
local stay = flowing and string.find(patient, '[AP]') and left_out(chosen, patient == 'A') or {}
for i = 1, #found do
  local id = ids[i]
  local job = chosen[id]
  local holder = job and not job.run and not stay[id] and take_key(id, job.header)
  if stay[id] then
    found[i] = 'p'
  elseif holder then
    found[i] = 'u' .. holder
  elseif job and job.run then
    -- It is given twice.
    found[i] = 'q'
  elseif job then
    job.id, job.run = id, begin_again(id, job.old, job.blob, died_with(id, chosen, stay))
    redis.call('HSET', runs, id, write_run(job.run))
    runs_again[#runs_again + 1] = job
  end
end
-- A retry runs before who waits for the job's last end is told of it. What is further away than this is not seen.
function in_circle.with(parent, id)
  looks = 200
  return leads_to(parent, id, {}) and looks >= 0
end
-- Only when all are known to run again: whichever of two comes first, a child waits for its parent.
local flat = {}
for _, job in ipairs(runs_again) do
  stand_again(job.id, job.run, flat)
end
make_ready(flat)
if flowing then
  revive_marked(100)
end
publish()
if #runs_again + #revived > 0 then
  if patient == 'S' and to_send() then -- Whoever hands over now may have read how the job was before.
    found[1] = string.upper(found[1])
  end
  for _, id in ipairs(revived) do
    found[#found + 1] = '+' .. id
  end
  answer(pack_ids(found, 1, #found))
end
return found
