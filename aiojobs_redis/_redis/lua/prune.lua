-- prune.lua: jobs that have not started and that nobody needs are cancelled; a job that waits for them waits no more.
-- Flags: allow-oom
-- KEYS[1] jobs      KEYS[2] runs      KEYS[3] ready    KEYS[4] suspects  KEYS[5] scheduled
-- KEYS[6] retrying  KEYS[7] blocked   KEYS[8] unknown  KEYS[9] completed KEYS[10] kept
-- KEYS[11] cancelled KEYS[12] dead    KEYS[13] results KEYS[14] errors   KEYS[15] waiters
-- KEYS[16] stats    KEYS[17] events   KEYS[18] meta    KEYS[19] extras    KEYS[20] slots
-- KEYS[21] opens    KEYS[22] wake      KEYS[23] due     KEYS[24] tags      KEYS[25] edges   KEYS[26] flows
-- KEYS[27] unique   KEYS[28] followers  KEYS[29] producers
-- ARGV[1] call   as for remove.lua
-- ARGV[2] id     of the job that is to wait for them no more, and so needs none of them, or ''
-- ARGV[3] ...    three a job, each behind all that depend on it: id; error, the reason as a line of JSON, or '' where only is
--                asked whether it would be cancelled; queues that need it no more, with commas between them
-- Returns the letter of the state that the first one had, in upper case where it waited for others; then a digit a
-- job: 1 it is cancelled, 0 it stays
-- Why one script: what starts in between would run with nobody to wait for it.
local jobs, runs, ready, suspects, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local retrying, blocked, unknown, completed, kept = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local cancelled, dead, results, errors, waiters = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local stats, events, meta, extras, slots, opens = KEYS[16], KEYS[17], KEYS[18], KEYS[19], KEYS[20], KEYS[21]
local wake, due, tags, edges, flows = KEYS[22], KEYS[23], KEYS[24], KEYS[25], KEYS[26]
local unique, followers, producers = KEYS[27], KEYS[28], KEYS[29]
local call, waiting_id = ARGV[1], ARGV[2]
--@include now types arguments answered state record ranked front ready fair debts peek until_due netstring tally flowing
--@include among edges outbox unique following follow evict scope depart line rest settle unknown withdraw abroad
--@include named again_as_new rejoin enqueued died_of policy revive release forget_parents unneeded
require_arguments(math.max(2, math.ceil((#ARGV - 2) / 3) * 3 + 2))
require_types({ jobs, runs, results, errors, stats, extras, producers, tags, flows }, { ready, suspects, scheduled, retrying, blocked, unknown, completed, kept, cancelled, dead, slots, opens, wake, due, edges }, { events })
local before = answer_before()
if before then
  return before
end
local text = redis.call('HGET', runs, waiting_id)
local run = read_run(text)
local letter = run and run.state or text and '?' or redis.call('HEXISTS', jobs, waiting_id) == 1 and 'q' or '-'
local without, chosen, digits = {}, {}, ''
if waits_for_parents(waiting_id, run) then
  letter, without[waiting_id] = 'B', true
end
for i = 3, #ARGV, 3 do
  local id = ARGV[i]
  local own = not without[id] and unstarted(id)
  local goes = own and unneeded(id, without, ARGV[i + 2])
  digits = digits .. (goes and '1' or '0')
  if goes then
    without[id] = true
    chosen[#chosen + 1] = ARGV[i + 1] ~= '' and { id = id, line = ARGV[i + 1] } or nil
  end
end
if #chosen == 0 then
  return letter .. digits
end
if letter == 'B' then
  without[waiting_id] = nil
  forget_parents(waiting_id, run, without)
end
for _, job in ipairs(chosen) do
  -- It may be one that followed another of them.
  local own = unstarted(job.id)
  withdraw(job.id, own)
  call_off(job.id, own, job.line)
end
note_debts()
--@include pass_on
answer(letter .. digits)
return letter .. digits
