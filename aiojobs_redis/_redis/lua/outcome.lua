-- outcome.lua: how a job ended, or else who is to be told when it does.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] results  KEYS[4] errors  KEYS[5] waiters
-- ARGV[1] id    ARGV[2] channel of the waiting process, empty to only look
-- Returns { state letter, value of a completed job or errors of another } | { '' } for no such job
-- Why one script: a job that ends between the look and the registration would be waited for in vain.
local jobs, runs, results, errors, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, channel = ARGV[1], ARGV[2]
--@include types
--@include record
require_types({ jobs, runs, results, errors, waiters }, {})
local run = read_run(redis.call('HGET', runs, id))
local state = run and run.state or redis.call('HEXISTS', jobs, id) == 1 and 'q' or ''
if state == 'c' then
  return { state, redis.call('HGET', results, id) or '' }
elseif state == 'd' or state == 'x' then
  return { state, redis.call('HGET', errors, id) or '' }
elseif state ~= '' and channel ~= '' then
  local known = redis.call('HGET', waiters, id)
  if not known then
    redis.call('HSET', waiters, id, channel)
  elseif not string.find(' ' .. known .. ' ', ' ' .. channel .. ' ', 1, true) then
    -- Of very many processes only the last ones are told; the others look each second.
    redis.call('HSET', waiters, id, (#known < 4096 and known .. ' ' or '') .. channel)
  end
end
return { state, '' }
