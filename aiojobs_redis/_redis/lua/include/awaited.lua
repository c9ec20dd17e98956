-- awaited.lua: who waits for the jobs that may end in this call, asked in one command: one that nobody waits for costs none
-- where others are waited for.
-- Needs: codes.lua, rest.lua; following, waiters, followers, task_count. Gives: what waited_for and followed have of them.
if waiting or following then
  local ids = {}
  for at = 10 + task_count, adopted - 1, 5 do
    ids[#ids + 1] = ARGV[at]
  end
  for i, channels in ipairs(waiting and redis.call('HMGET', waiters, unpack(ids)) or {}) do
    waited_for[ids[i]] = channels
  end
  if following then
    for i, text in ipairs(redis.call('HMGET', followers, unpack(ids))) do
      followed[ids[i]] = text
    end
  end
end
