-- until_due.lua: a job that waits for nobody any more waits for its time, which is still ahead.
-- Needs: int, record.lua, peek.lua; runs, scheduled, due. Gives: until_due(id, record, when).
local function until_due(id, run, due_at)
  local head = head_of(scheduled)
  run.state = 's'
  redis.call('HSET', runs, id, write_run(run))
  redis.call('ZADD', scheduled, int(due_at), id)
  if not head or due_at < head then
    redis.call('ZADD', due, 0, '1')
  end
end
