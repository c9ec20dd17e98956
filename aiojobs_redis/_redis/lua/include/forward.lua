-- forward.lua: what has fallen due becomes queued, in order of (due, enqueue sequence), equal ones as they
-- stand in the indexes: a sort of Lua's does not keep their order, and whole batches are equal here.
-- Needs: record.lua, tally.lua, suspect.lua; scheduled, retrying, runs. Gives: forward(most) -> moved.
local function due_of(index, most, batch)
  local found = redis.call('ZRANGE', index, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
  for i = 1, #found, 2 do
    batch[#batch + 1] = { id = found[i], due = tonumber(found[i + 1]), index = index }
  end
end
local function forward(most)
  local batch = {}
  due_of(scheduled, most, batch)
  due_of(retrying, most, batch)
  if #batch == 0 then
    return 0
  end
  local ids = {}
  for i, job in ipairs(batch) do
    ids[i] = job.id
  end
  local texts = redis.call('HMGET', runs, unpack(ids))
  local known = {}
  for i, job in ipairs(batch) do
    redis.call('ZREM', job.index, job.id)
    job.run = read_run(texts[i])
    if job.run then
      job.sequence = tonumber(option(job.run.header, 'q')) or 0
      job.number = i
      known[#known + 1] = job
    else
      redis.call('HDEL', runs, job.id)
    end
  end
  table.sort(known, function(a, b)
    if a.due ~= b.due then
      return a.due < b.due
    end
    if a.sequence ~= b.sequence then
      return a.sequence < b.sequence
    end
    return a.number < b.number
  end)
  for _, job in ipairs(known) do
    note('due', job.id)
  end
  enter(known)
  return #batch
end
