-- admit_one.lua: write one new job without options, the usual call of a web process, into ready.
-- Needs: moment.lua; jobs, ready, wake, stats, events, meta, now, int, time, paused.
-- Gives: admit_one(id, task, spec) -> flag: 1 added, 0 known already.
-- The same as admit.lua for a batch, in half the time: no tables, no functions, nothing that can be
-- left out. HSETNX comes first: where jobs is of a foreign type, nothing else was written.
local function admit_one(id, task, spec)
  if redis.call('HSETNX', jobs, id, ',e' .. base36(now) .. '\n' .. spec) == 0 then
    return '0'
  end
  local sequence = math.min(redis.call('HINCRBY', meta, 'sequence', 1), 4398046511103)
  redis.call('ZADD', ready, int(4499201580859392 + sequence), id)
  if not paused then
    redis.call('ZADD', wake, 0, '1')
  end
  redis.call('HINCRBY', stats, int(math.floor(now / 60000)) .. ',' .. task .. ',enqueued', 1)
  redis.call('XADD', events, 'MAXLEN', '~', 2000, '*', 'enqueued', #id .. ':' .. id)
  return '1'
end
