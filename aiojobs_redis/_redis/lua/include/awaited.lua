-- awaited.lua: who waits for the jobs that may end in this call, asked in one command: one that nobody waits for costs none
-- where others are waited for.
-- Needs: rest.lua; following, waiters, followers. Gives: ask_who_waits(ids).
local function ask_who_waits(ids)
  for i, channels in ipairs(waiting and redis.call('HMGET', waiters, unpack(ids)) or {}) do
    waited_for[ids[i]] = channels
  end
  if following then
    for i, text in ipairs(redis.call('HMGET', followers, unpack(ids))) do
      followed[ids[i]] = text
    end
  end
end
