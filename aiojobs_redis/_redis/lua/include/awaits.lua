-- awaits.lua: whether a job still waits for another one, of which no end is known here, and which job it is.
-- Needs: record.lua, enqueued.lua; jobs, runs, edges, flows. Gives: awaits(id, parent's name); incarnation_of(id) ->
-- "generation.last start,when it was enqueued": another one that gets its id, or that it is once it has run again, has another.
local function awaits(id, parent)
  if not redis.call('ZSCORE', edges, #parent .. ':' .. parent .. ',a' .. id) then
    return false
  elseif string.byte(parent) == 255 then
    return redis.call('ZSCORE', edges, '?' .. parent)
  end
  local run = read_run(redis.call('HGET', runs, parent))
  return run and not string.find('cdx', run.state, 1, true) or not run and redis.call('HEXISTS', jobs, parent) == 1
end
local function incarnation_of(id)
  local run = read_run(redis.call('HGET', runs, id))
  local start = run and run.started ~= '' and '.' .. run.started or ''
  return (run and run.generation or '1') .. start .. ',' .. enqueued(id, run)
end
