-- detach.lua: a job that waits for others waits for one of them no more, and goes on where that was the last.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] ready  KEYS[4] scheduled  KEYS[5] blocked  KEYS[6] meta
-- KEYS[7] wake  KEYS[8] due   KEYS[9] tags   KEYS[10] edges     KEYS[11] flows   KEYS[12] producers
-- KEYS[13] slots
-- ARGV[1] call   as for remove.lua   ARGV[2] id   ARGV[3] name of the parent
-- Returns the letter of the job's state, in upper case the new one: B where it waits on. Else nothing was changed: b it is
-- blocked, but for no other job; - it does not depend on that one; n that one has failed, and lets it run without the
-- others, which it would take for jobs that run again; ? damaged; '' no such job
local jobs, runs, ready, scheduled, blocked = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local meta, wake, due, tags = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local edges, flows, producers, slots = KEYS[10], KEYS[11], KEYS[12], KEYS[13]
local call, id, name = ARGV[1], ARGV[2], ARGV[3]
--@include now types arguments answered state record ranked front ready fair peek until_due netstring flowing among edges
--@include abroad rejoin policy release forget_parents
require_arguments(3)
require_types({ jobs, runs, producers, flows, tags }, { ready, scheduled, blocked, wake, due, edges, slots })
local before = answer_before()
if before then
  return before
end
local text = redis.call('HGET', runs, id)
local run, found = read_run(text), false
if not run then
  return text and '?' or redis.call('HEXISTS', jobs, id) == 1 and 'q' or ''
elseif not waits_for_parents(id, run) then
  return run.state
end
for _, parent in ipairs(parents_of({ id })[id] or {}) do
  found = found or parent == name and not is_gate(name)
end
if not found then
  return '-'
elseif not redis.call('ZSCORE', edges, edge(name, 'a', id)) and policy_of(id, run.header, name) == 'n' then
  local letter = letters_of({ name })[1]
  if letter == '' or string.find('dxg', letter, 1, true) then
    return 'n'
  end
end
forget_parents(id, run, { [name] = true })
local letter = string.upper(run.state)
answer(letter)
return letter
