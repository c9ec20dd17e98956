-- restore.lua: finished jobs whose record or index was lost, and the other was not.
-- Needs: record.lua, rest.lua, quarantine.lua; jobs. Gives: finished_run(id) -> a record for a job that
-- only an index of finished ones holds, or nil; restore(id, run).
local function finished_run(id)
  local state
  for letter in pairs(HOMES) do
    if home_of(letter, id) then
      if state or not FINISHED[letter] then
        return nil
      end
      state = letter
    end
  end
  if not state then
    return nil
  end
  local run = new_run('')
  push(records, id, finish(run, state))
  return run
end
-- Where it stood, by the time of its end and by the retention that its enqueue asked for.
local function restore(id, run)
  local ended, header = tonumber(run.finished) or now, header_of(id)
  local keep_result, keep_dead = tonumber(option(header, 'r')), tonumber(option(header, 'k'))
  local keep_cancelled = tonumber(option(header, 'c'))
  leave_all(id)
  dealt_with[id] = true
  if run.state == 'c' and keep_result then
    redis.call('ZADD', kept, int(ended + keep_result), id)
  elseif run.state == 'd' then
    redis.call('ZADD', dead, int(ended + (keep_dead or KEEP_DEAD) - KEEP_DEAD), id)
  elseif run.state == 'x' then
    redis.call('ZADD', cancelled, int(ended + (keep_cancelled or KEEP_RESULT) - KEEP_RESULT), id)
  else
    redis.call('ZADD', completed, int(ended), id)
  end
end
