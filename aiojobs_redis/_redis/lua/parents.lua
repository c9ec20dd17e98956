-- parents.lua: what became of the jobs on which one depends, within 4 MiB of results a call.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] results  KEYS[4] errors  KEYS[5] flows
-- ARGV[1] id    ARGV[2] parents that were read before
-- Returns { number of parents, a parent { id, state letter or '' for no such job, result or errors } ... };
-- the first of a call is never left out
local jobs, runs, results, errors, flows = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
--@include netstring
local parents = unpack_ids(redis.call('HGET', flows, 'p' .. ARGV[1]) or '')
local reply, sum = { #parents }, 0
for i = ARGV[2] + 1, #parents do
  local run = redis.call('HGET', runs, parents[i])
  local state = run and string.sub(run, 1, 1) or redis.call('HEXISTS', jobs, parents[i]) == 1 and 'q' or ''
  local value = redis.call('HGET', state == 'c' and results or errors, parents[i]) or ''
  sum = sum + #value
  if sum > 4194304 and #reply > 1 then
    break
  end
  reply[#reply + 1] = { parents[i], state, value }
end
return reply
