-- suspect.lua: the way into suspects, for jobs that have lost two leases and may lose a third.
-- Needs: suspects, wake, paused. Gives: make_suspect(score, id).
local function make_suspect(score, id)
  redis.call('ZADD', suspects, score, id)
  if not paused then
    redis.call('ZADD', wake, 0, '1')
  end
end
