-- suspect.lua: the one way into suspects, for jobs that have lost two leases and may lose a third.
-- Needs: suspects, wake, paused. Gives: make_suspect(score, id); suspected, whether there was one to be put there.
local suspected = false
local function make_suspect(score, id)
  redis.call('ZADD', suspects, score, id)
  suspected = true
  if not paused then
    redis.call('ZADD', wake, 0, '1')
  end
end
