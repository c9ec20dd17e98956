-- added.lua: what is told of new jobs, and when those that wait for their time are looked at.
-- Needs: tally.lua, peek.lua; scheduled, due. Gives: tell_added(tasks, ids by number of the task, ids that were there,
-- ids that wait), where ARGV[tasks] is the first task name; await_times(scores and ids, the first time or nil).
local function tell_added(tasks, listed, twice, waiting)
  for task, ids in pairs(listed) do
    local name = ARGV[tasks + task - 1]
    tally(name, 'enqueued', #ids)
    note_all('enqueued,' .. name, ids)
  end
  if #twice > 0 then
    note_all('duplicated', twice)
  end
  if #waiting > 0 then
    note_all('scheduled', waiting)
  end
end
local function await_times(later, earliest)
  if not earliest then
    return
  end
  local head = head_of(scheduled)
  redis.call('ZADD', scheduled, unpack(later))
  if not head or earliest < head then
    redis.call('ZADD', due, 0, '1')
  end
end
