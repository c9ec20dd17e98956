-- remove.lua: jobs that wait or have finished go, every trace of them; one that runs stays.
-- Flags: allow-oom
-- KEYS[1] jobs      KEYS[2] runs       KEYS[3] ready    KEYS[4] suspects   KEYS[5] scheduled
-- KEYS[6] retrying  KEYS[7] blocked    KEYS[8] unknown  KEYS[9] completed  KEYS[10] kept
-- KEYS[11] cancelled KEYS[12] dead     KEYS[13] results KEYS[14] errors    KEYS[15] producers
-- KEYS[16] waiters  KEYS[17] stats     KEYS[18] events  KEYS[19] meta      KEYS[20] extras
-- KEYS[21] slots    KEYS[22] opens     KEYS[23] edges    KEYS[24] flows     KEYS[25] due
-- KEYS[26] unique   KEYS[27] followers  KEYS[28] tags
-- ARGV[1] call      hex, new for each call: one that is sent again is answered as the first time
-- ARGV[2] states    letters of the states from which a job may go
-- ARGV[3] since     ms: only what was added, or where it has finished has done so, that long ago; or @ and a moment
--                   by which it waited: it was added, has not started since and, unless s is among the states, was due
-- ARGV[4] ...       ids, at most 250
-- Returns a letter an id: its state, in upper case where the job went; - for no such job, ? for a damaged one.
-- Ids are left out from where the specs that had to be read, and the edges that went, take too long; the first
-- never is.
local jobs, runs, ready, suspects, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local retrying, blocked, unknown, completed, kept = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local cancelled, dead, results, errors, producers = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local waiters, stats, events, meta, extras = KEYS[16], KEYS[17], KEYS[18], KEYS[19], KEYS[20]
local slots, opens, edges, flows, due = KEYS[21], KEYS[22], KEYS[23], KEYS[24], KEYS[25]
local unique, followers, tags = KEYS[26], KEYS[27], KEYS[28]
local call, states, since = ARGV[1], ARGV[2], ARGV[3]
--@include now
--@include answered
--@include types
--@include arguments
--@include state
--@include record ranked ready fair debts
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
--@include unknown
--@include withdraw
--@include by_then
require_arguments(4)
require_types({ jobs, runs, results, errors, producers, stats, extras, tags }, { ready, suspects, scheduled, retrying, blocked, unknown, completed, kept, cancelled, dead, slots, opens }, { events })
if not schema then
  return string.rep('-', #ARGV - 3)
end
local before = answer_before()
if before then
  return before
end
local ids = { unpack(ARGV, 4) }
local texts, seen, letters, size = redis.call('HMGET', runs, unpack(ids)), {}, {}, 0
for i, id in ipairs(ids) do
  local text, letter, run = not seen[id] and texts[i], '-', nil
  if size > 4194304 then
    break
  end
  if text and released then
    -- It may be one that waited for another of this call.
    text = redis.call('HGET', runs, id)
  end
  if text then
    run, letter = read_run(text), '?'
  elseif not seen[id] then
    local blob = redis.call('HGET', jobs, id)
    size = size + (blob and #blob or 0)
    if size > 4194304 and i > 1 then
      break
    end
    run = blob and new_run(string.match(blob, '^(,[^\n]*)\n') or '')
  end
  if run then
    letter = run.state
    if flowing then
      -- To forget an edge takes as long as to read 4 KiB of specs.
      size = size + 4096 * #(parents_of({ id })[id] or {})
    end
    if letter ~= 'r' and string.find(states, letter, 1, true) and was_there(run) then
      letter = string.upper(letter)
      withdraw(id, run)
      note('removed', id)
      -- Whoever waits for it looks, and finds nothing.
      tell(id, 'x', '')
      gone[#gone + 1] = id
      seen[id] = true
    end
  end
  letters[i] = letter
end
note_debts()
settle()
publish()
letters = table.concat(letters)
answer(letters)
return letters
