-- parents.lua: what became of the jobs on which one depends, within 4 MiB of results a call.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] results  KEYS[4] errors  KEYS[5] flows
-- ARGV[1] id    ARGV[2] parents that were read before
-- Returns { number of parents, the job's option f (policy.lua), a parent { id,
-- state letter or '' for no such job, result or errors } ... };
-- the first of a call is never left out. A job of another queue has the name of abroad.lua, and is as this queue was
-- told: q where it has not ended.
local jobs, runs, results, errors, flows = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
--@include netstring
--@include abroad
local parents = {}
for _, parent in ipairs(unpack_ids(redis.call('HGET', flows, 'p' .. ARGV[1]) or '')) do
  parents[#parents + 1] = not is_gate(parent) and parent or nil
end
local policy = string.match(redis.call('HGET', jobs, ARGV[1]) or '', '^[^\n]*,f(%a+)')
local reply, sum = { #parents, policy or 'f' }, 0
for i = ARGV[2] + 1, #parents do
  local abroad = letter_abroad(parents[i])
  local run = not abroad and redis.call('HGET', runs, parents[i])
  local state = abroad or run and string.sub(run, 1, 1) or redis.call('HEXISTS', jobs, parents[i]) == 1 and 'q' or ''
  local value
  if abroad then
    value = redis.call('HGET', flows, 'v' .. parents[i]) or ''
  else
    value = redis.call('HGET', state == 'c' and results or errors, parents[i]) or ''
  end
  sum = sum + #value
  if sum > 4194304 and #reply > 2 then
    break
  end
  reply[#reply + 1] = { parents[i], state, value }
end
return reply
