-- requeue.lua: a running job goes back to wait: for a slot, for its time, or for a worker that knows it.
-- Needs: record.lua, tally.lua, ready.lua, fair.lua, heads.lua, waited.lua, rest.lua, peek.lua, unknown.lua, unstart.lua; runs,
-- blocked, unknown, due; moved, which becomes true when a job is put off.
-- Gives: queue_again(id, run, score), put_off(index, state, id, run, delay), park(id, run, task).
-- What a claim of the same script may take is written at once: kept back with the other records
-- until settle(), it would overwrite the record of the new lease.
local function queue_again(id, run, score)
  run.state, run.score, run.fence, run.nonce = 'q', '', '', ''
  if fair then
    -- A suspect stands apart from the turns.
    score = score and run.lost < 2 and risen(score, run.header) or score
    keep_heads(score and run.lost < 2 and { score } or {})
  end
  score = score or fresh_score(id, run)
  redis.call('HSET', runs, id, write_run(run))
  if run.lost >= 2 then
    make_suspect(score, id, run.header)
  else
    make_ready({ score, id })
  end
end
local function put_off(index, state, id, run, delay)
  -- It has gone first (front.lua).
  run.header = string.gsub(run.header, ',L[^,]*', '')
  if delay == 0 then
    queue_again(id, run)
    return
  end
  moved = true
  if state == 's' then
    note('scheduled', id)
  end
  local head = head_of(index)
  if not head or now + delay < head then
    redis.call('ZADD', due, 0, '1')
  end
  run.state, run.score, run.fence, run.nonce = state, '', '', ''
  push(records, id, write_run(run))
  redis.call('ZADD', index, int(now + delay), id)
end
-- Its claim was no start: a worker that knows the task makes the first one, if there was none before.
local function park(id, run, task)
  unstart(run)
  run.state, run.fence, run.nonce, run.header = 'b', '', '', run.header .. ',n' .. task
  redis.call('HSET', runs, id, write_run(run))
  redis.call('ZADD', blocked, time, id)
  redis.call('ZADD', unknown, 0, unknown_member(task, id, run))
end
