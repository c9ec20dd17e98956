-- follow.lua: what waits for the end of a job with the same unique key goes on once it has ended.
-- Field of followers: id of the job that has the key; value: the key, a comma, id of the one that is blocked
-- until it has ended.
-- Needs: now, int, following.lua, record.lua, unique.lua, peek.lua; runs, blocked, scheduled, due, followers.
-- Gives: let_follow(id, text), to be called when a job has ended or goes; text as followers has it, false for nothing, nil where
-- that is still to be asked; leader_of(id, run) -> id, or nothing.
-- It becomes scheduled, for now where it has no time of its own, and forward.lua does the rest: so what ends
-- jobs need not know how they become ready.
local function let_follow(id, text)
  if text == nil then
    text = following and redis.call('HGET', followers, id)
  end
  if not text then
    return
  end
  redis.call('HDEL', followers, id)
  local key, follower = string.match(text, '^([^,]*),(.*)$')
  local run = follower and read_run(redis.call('HGET', runs, follower))
  if waits_for(run, key) then
    local due_at, head = math.max(now, tonumber(option(run.header, 'w')) or now), head_of(scheduled)
    run.state, released = 's', true
    redis.call('HSET', runs, follower, write_run(run))
    redis.call('ZREM', blocked, follower)
    redis.call('ZADD', scheduled, int(due_at), follower)
    -- The window of the first one goes on; who follows has none.
    local window_end = string.match(redis.call('HGET', unique, key) or '', '^(%d*),') or ''
    redis.call('HSET', unique, key, window_end .. ',' .. follower)
    if not head or due_at < head then
      redis.call('ZADD', due, 0, '1')
    end
  end
end
-- The job for which a blocked one waits, if it does.
local function leader_of(id, run)
  local found = following and run.state == 'b' and read_unique(run.header)
  local leader = found and string.match(redis.call('HGET', unique, found.key) or '', '^%d*,(.*)$')
  return leader and redis.call('HGET', followers, leader) == found.key .. ',' .. id and leader
end
