-- waits.lua: for which other job each of some still waits, and that one, as far as it goes in this queue.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] edges  KEYS[4] flows
-- ARGV[1] turn  a number, by which one that waits for several names one of them: each time the same
-- ARGV[2] ...   ids
-- Returns { dependencies that were looked at; three a job: its id; its generation and when it was enqueued; the name of the
-- job for which it waits, '' for none }. From a thousand dependencies on ids are left out, the first never is.
-- One that waits for a gate counts as waiting for none: within a minute the gate is open, or the job is cancelled. So does
-- one that is to be told of an end that is known here, as far as that parent goes.
local jobs, runs, edges, flows = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local turn, looks, seen, rows = tonumber(ARGV[1]), 0, {}, {}
--@include types
--@include arguments
--@include record
--@include netstring
--@include abroad
--@include enqueued
--@include awaits
require_arguments(2)
require_types({ jobs, runs, flows }, { edges })
local function wait_of(id)
  -- Who has ended waits for nobody, whatever its edges still say.
  local waits = redis.call('HEXISTS', flows, 'n' .. id) == 1
  local parents, found = waits and unpack_ids(redis.call('HGET', flows, 'p' .. id) or '') or {}, ''
  looks = looks + 1 + #parents
  for i = 1, #parents do
    local parent = parents[(turn + i) % #parents + 1]
    if (found == '' or is_gate(parent)) and awaits(id, parent) then
      if is_gate(parent) then
        return ''
      end
      found = parent
    end
  end
  return found
end
for i = 2, #ARGV do
  local id = ARGV[i]
  while id and not seen[id] and (looks < 1000 or #rows == 0) do
    local parent = wait_of(id)
    seen[id] = true
    rows[#rows + 1], rows[#rows + 2], rows[#rows + 3] = id, parent == '' and '' or incarnation_of(id), parent
    id = parent ~= '' and string.byte(parent) ~= 255 and parent
  end
end
return { looks, unpack(rows) }
