-- again_as_new.lua: a finished job begins its next generation.
-- Needs: record.lua, edges.lua, named.lua, tally.lua; jobs, runs, results, extras, completed, kept, cancelled, dead.
-- Gives: begin_again(id, old record, header and spec, in time) -> its new record, which the caller writes; rejoin.lua lets it
-- stand where it belongs.
-- Failures and lost deliveries start again, the errors stay as the history, the fence goes on growing. The expiry, a place
-- in the line of its key and what a wait left behind go, from the header in jobs too: it is what a claim hands out. A time
-- that has come stays, since it names the tick; one still ahead would say that the job runs early. But who runs again in
-- time, since a parent does of which it died, was not asked to be early: it keeps that, and its arrival.
-- A job that completed starts anew; one that did not goes on after the steps that it has done, with its state. Option i is
-- the generation since which steps count, as a part of their idempotency keys.
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
