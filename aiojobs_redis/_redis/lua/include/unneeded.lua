-- unneeded.lua: whether nobody would miss a job that has not started yet.
-- Needs: record.lua, among.lua, edges.lua; jobs, runs. Gives: unstarted(id) -> its record, also where it has none, or nil where it is not there, has
-- started in this generation or has ended; unneeded(id, without, queues), whether all jobs that depend on it have ended
-- or are in a set of ids, and no queue waits for it but some, whose names stand in a text between commas.
-- Of more than 250 one may be another that has not ended. Who has ended may still have an edge that does not say so.
local MOST_CHILDREN = 250
local function unstarted(id)
  local text = redis.call('HGET', runs, id)
  local run = read_run(text)
  if text then
    return run and string.find('qsb', run.state, 1, true) and run.started == '' and run or nil
  end
  local blob = redis.call('HGET', jobs, id)
  return blob and new_run(string.match(blob, '^(,[^\n]*)\n') or '')
end
local function unneeded(id, without, queues)
  for letter, past in pairs({ a = 'b', d = 'e' }) do
    local found = children(id, letter, past, MOST_CHILDREN)
    for _, child in ipairs(found) do
      local run = not without[child] and read_run(redis.call('HGET', runs, child))
      if not without[child] and not (run and string.find('cdx', run.state, 1, true)) then
        return false
      end
    end
    if #found == MOST_CHILDREN then
      return false
    end
  end
  for _, queue in ipairs(children(id, 'b', 'd', MOST_CHILDREN)) do
    if not string.find(',' .. queues .. ',', ',' .. queue .. ',', 1, true) then
      return false
    end
  end
  return true
end
