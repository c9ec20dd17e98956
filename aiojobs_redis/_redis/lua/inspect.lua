-- inspect.lua: all that is kept of each of up to 250 jobs, within 4 MiB of specs.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] errors  KEYS[4] ready  KEYS[5] scheduled  KEYS[6] retrying
-- ARGV[1] ...   ids
-- Returns per id { id, header and spec, run record, errors, ready score, due ms }, empty texts for
-- what there is not; ids beyond the budget are left out, the first never is.
local jobs, runs, errors, ready, scheduled, retrying = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local found, sum = {}, 0
for i, id in ipairs(ARGV) do
  sum = sum + redis.call('HSTRLEN', jobs, id)
  if i > 1 and sum > 4194304 then
    break
  end
  found[i] = {
    id,
    redis.call('HGET', jobs, id) or '',
    redis.call('HGET', runs, id) or '',
    redis.call('HGET', errors, id) or '',
    redis.call('ZSCORE', ready, id) or '',
    redis.call('ZSCORE', scheduled, id) or redis.call('ZSCORE', retrying, id) or '',
  }
end
return found
