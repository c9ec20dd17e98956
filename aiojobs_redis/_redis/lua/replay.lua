-- replay.lua: finished jobs run again under the same id, as their next generation.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] ready  KEYS[4] completed  KEYS[5] kept  KEYS[6] cancelled
-- KEYS[7] dead  KEYS[8] results  KEYS[9] wake  KEYS[10] stats  KEYS[11] events  KEYS[12] unique  KEYS[13] meta
-- KEYS[14] extras  KEYS[15] tags
-- ARGV[1] ...   ids, at most 250
-- Returns per id the state letter it had; d, c and x were replayed, others are as they were, '' is unknown;
-- u and an id: not replayed, since that unfinished job holds its unique key
-- Failures and lost deliveries start again, the errors stay as the history, the fence goes on growing.
-- The expiry and what a wait left behind go, from the header in jobs too: it is what a claim hands out. A
-- time that has come stays, since it names the tick; one still ahead would say that the job runs early.
local jobs, runs, ready, completed, kept, cancelled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local dead, results, wake, stats, events = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local unique, meta, extras, tags = KEYS[12], KEYS[13], KEYS[14], KEYS[15]
--@include now
--@include types
--@include state
--@include record
--@include unique
--@include ready
--@include fair
--@include netstring
--@include tally
require_types({ jobs, runs, results, stats, unique, extras }, { ready, completed, kept, cancelled, dead, wake }, { events })
-- A job that completed starts anew; one that did not goes on after the steps that it has done, with its state.
-- Option i is the generation since which steps count: it is part of their idempotency keys.
local left = redis.call('HLEN', extras) > 0
local function begin_again(id, run, state)
  if state == 'c' then
    run.header = string.gsub(run.header, ',i%d+', '') .. ',i' .. run.generation
    redis.call('HDEL', extras, 'p' .. id, 's' .. id, 'c' .. id, 'd' .. id)
  else
    redis.call('HDEL', extras, 'p' .. id)
  end
end
local function carries(id)
  return left and (redis.call('HEXISTS', extras, 's' .. id) == 1 or redis.call('HEXISTS', extras, 'c' .. id) == 1)
end
local found, flat = {}, {}
-- A window limits enqueues: who replays a job knows that it ran before.
local function take_key(id, header)
  local key = read_unique(header)
  if not key or key.ends == '-' then
    return nil
  end
  local holder, run, window_end = holder_of(key.key)
  if run then
    return holder
  end
  redis.call('HSET', unique, key.key, (window_end or '') .. ',' .. id)
end
for i, id in ipairs(ARGV) do
  -- Read one by one: an id that is given twice was replayed by the first.
  local old = read_run(redis.call('HGET', runs, id))
  local blob = redis.call('HGET', jobs, id)
  found[i] = old and old.state or blob and 'q' or ''
  local header, spec = string.match(blob or '', '^(,[^\n]*)\n(.*)$')
  local ended = old and blob and string.find('dcx', old.state, 1, true)
  local holder = ended and take_key(id, header or '')
  if holder then
    found[i] = 'u' .. holder
  elseif ended then
    local run = new_run((string.gsub(header or '', ',[xq]%d+', '')))
    run.generation = int(old.generation + 1)
    begin_again(id, run, old.state)
    if (tonumber(option(run.header, 'w')) or now) > now then
      run.header = string.gsub(run.header, ',w%d+', '')
    end
    if header and run.header ~= header then
      redis.call('HSET', jobs, id, run.header .. '\n' .. spec)
    end
    -- Only in its record: there a claim looks for it.
    run.header = run.header .. (carries(id) and ',j' or '')
    for _, index in ipairs({ completed, kept, cancelled, dead }) do
      redis.call('ZREM', index, id)
    end
    redis.call('HDEL', results, id)
    redis.call('HSET', runs, id, write_run(run))
    flat[#flat + 1] = fresh_score(run.header)
    flat[#flat + 1] = id
    note('enqueued', id)
  end
end
make_ready(flat)
publish()
return found
