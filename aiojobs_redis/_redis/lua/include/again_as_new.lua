-- again_as_new.lua: a finished job begins its next generation.
-- Needs: record.lua, fair.lua, tally.lua, edges.lua, named.lua, until_due.lua; jobs, runs, blocked, results, extras, completed, kept, cancelled, dead.
-- Gives: begin_again(id, old record, header and spec, in time) -> its new record, which the caller writes;
-- letters_of(ids) -> the letter of the state of each, '' for none, g for one of another queue that is gone; stand_again(id, record, flat), which lets it wait
-- for those of its parents that are to run too, or for its time, or adds it to what is made ready, and marks it where others died of it.
-- Its record is written before that: of several that run again each sees all of the others.
-- Failures and lost deliveries start again, the errors stay as the history, the fence goes on growing.
-- The expiry, a place in the line of its key and what a wait left behind go, from the header in jobs too: it is what a claim hands out. A
-- time that has come stays, since it names the tick; one still ahead would say that the job runs early. But who runs
-- again in time, since a parent does of which it died, was not asked to be early: it keeps that, and its arrival.
-- A job that completed starts anew; one that did not goes on after the steps that it has done, with its state.
-- Option i is the generation since which steps count: it is part of their idempotency keys.
local function start_anew(id, run, state)
  if state == 'c' then
    run.header = forget_named(id, string.gsub(run.header, ',i%d+', '') .. ',i' .. run.generation)
    redis.call('HDEL', extras, 'p' .. id, 's' .. id, 'c' .. id, 'd' .. id)
  else
    redis.call('HDEL', extras, 'p' .. id)
  end
end
-- Queues that know of its end, or are about to, hear that it runs again (outbox.lua).
local function tell_again(id)
  for letter, past in pairs({ c = 'd', g = 'h' }) do
    for _, queue in ipairs(children(id, letter, past, 250)) do
      redis.call('ZREM', edges, edge(id, letter, queue))
      redis.call('ZADD', edges, 0, edge(id, 'b', queue), 0, '>' .. queue .. ',' .. id)
    end
  end
end
local function begin_again(id, old, blob, in_time)
  local header, spec = string.match(blob, '^(,[^\n]*)\n(.*)$')
  local ahead = (tonumber(option(header or '', 'w')) or now) > now
  local gone = ahead and (in_time and ',[xb]%d+' or ',[xqbw]%d+') or ',[xqb]%d+'
  local run = new_run((string.gsub(header or '', gone, '')))
  run.generation = int(old.generation + 1)
  start_anew(id, run, old.state)
  if header and run.header ~= header then
    redis.call('HSET', jobs, id, run.header .. '\n' .. spec)
  end
  if redis.call('HEXISTS', extras, 's' .. id) == 1 or redis.call('HEXISTS', extras, 'c' .. id) == 1 then
    -- Only in its record: there a claim looks for it.
    run.header = run.header .. ',j'
  end
  for _, index in ipairs({ completed, kept, cancelled, dead }) do
    redis.call('ZREM', index, id)
  end
  redis.call('HDEL', results, id)
  if flowing then
    tell_again(id)
  end
  note('enqueued', id)
  return run
end
local function letters_of(ids)
  local found = redis.call('HMGET', runs, unpack(ids))
  for i, id in ipairs(ids) do
    local letter = found[i] and string.sub(found[i], 1, 1) or redis.call('HEXISTS', jobs, id) == 1 and 'q' or ''
    -- What this script has ended is written at its end.
    local abroad = letter_abroad(id)
    -- What is asked for counts as not ended, whatever was told before (hold.lua).
    abroad = abroad and redis.call('ZSCORE', edges, '?' .. id) and 'q' or abroad
    found[i] = abroad or ended[id] or letter
  end
  return found
end
local function rejoin(id)
  local waits, old, new = 0, {}, {}
  local parents = flowing and parents_of({ id })[id] or {}
  for i, letter in ipairs(#parents > 0 and letters_of(parents) or {}) do
    local over = letter == '' or string.find('cdxg', letter, 1, true)
    waits = waits + (over and 0 or 1)
    old[#old + 1], old[#old + 2] = edge(parents[i], 'f', id), edge(parents[i], 'k', id)
    new[#new + 1], new[#new + 2] = 0, edge(parents[i], over and 'd' or 'a', id)
    if not over and letter_abroad(parents[i]) then
      new[#new + 1], new[#new + 2] = 0, '?' .. parents[i]
    end
  end
  if #old > 0 then
    redis.call('ZREM', edges, unpack(old))
    redis.call('ZADD', edges, unpack(new))
  end
  if waits > 0 then
    redis.call('HSET', flows, 'n' .. id, waits)
  end
  return waits
end
local function stand_again(id, run, flat)
  if rejoin(id) > 0 then
    run.state = 'b'
    redis.call('ZADD', blocked, time, id)
    redis.call('HSET', runs, id, write_run(run))
  elseif (tonumber(option(run.header, 'w')) or now) > now then
    until_due(id, run, tonumber(option(run.header, 'w')))
  else
    push(flat, fresh_score(run.header), id)
  end
  if flowing and #children(id, 'k', 'l', 1) > 0 then
    redis.call('ZADD', edges, 0, '+' .. id)
  end
end
