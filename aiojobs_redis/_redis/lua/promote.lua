-- promote.lua: jobs that wait for their time become queued, as move.lua does it for one.
-- Flags: allow-oom
-- KEYS[1] jobs     KEYS[2] runs      KEYS[3] ready  KEYS[4] suspects  KEYS[5] scheduled
-- KEYS[6] retrying KEYS[7] producers KEYS[8] wake   KEYS[9] meta      KEYS[10] tags
-- KEYS[11] slots
-- ARGV[1] call      hex, new for each call: one that is sent again is answered as the first time
-- ARGV[2] states    letters of the states from which a job may go: of s and t
-- ARGV[3] ...       ids, at most 250
-- Returns a letter an id: its state, in upper case where it is queued now; - for no such job, ? for a damaged
-- one. Ids are left out from where the specs that had to be read take too long; the first never is.
-- They go to ready in the order of the call; of those with a key each takes a turn.
local jobs, runs, ready, suspects, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local retrying, producers, wake, meta, tags, slots = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local call, states, ids = ARGV[1], ARGV[2], { unpack(ARGV, 3) }
--@include now
--@include types
--@include arguments
--@include state
--@include record
--@include ranked
--@include answered
--@include front
--@include ready
--@include fair
--@include heads
--@include suspect
--@include enter
require_arguments(3)
require_types({ jobs, runs, producers, tags }, { ready, suspects, scheduled, retrying, wake, slots })
if not schema then
  return string.rep('-', #ids)
end
local before = answer_before()
if before then
  return before
end
local texts, letters, size = redis.call('HMGET', runs, unpack(ids)), {}, 0
local moved, seen = {}, {}
-- Of the header in jobs too: it is what the record of the finished job and a replay go by. One that has started keeps
-- what it has: it names the tick for which it runs.
local function begun(header)
  return string.gsub(header, ',w[^,]*', '') .. ',w' .. time
end
for i, id in ipairs(ids) do
  local run, blob = read_run(texts[i]), nil
  if size > 4194304 then
    break
  end
  letters[i] = seen[id] and 'q' or run and run.state or texts[i] and '?' or redis.call('HEXISTS', jobs, id) == 1 and 'q' or '-'
  if run and not seen[id] and string.find(states, run.state, 1, true) then
    blob = redis.call('HGET', jobs, id)
    size = size + (blob and #blob or 0)
  end
  local header, spec = string.match(blob or '', '^(,[^\n]*)\n(.*)$')
  if header then
    letters[i], seen[id] = string.upper(run.state), true
    redis.call('ZREM', run.state == 's' and scheduled or retrying, id)
    if run.state == 's' and run.started == '' then
      run.header = begun(run.header)
      redis.call('HSET', jobs, id, begun(header) .. '\n' .. spec)
    end
    moved[#moved + 1] = { id = id, run = run }
  end
end
enter(moved)
letters = table.concat(letters)
answer(letters)
return letters
