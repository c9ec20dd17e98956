-- suspect.lua: the one way into suspects, for jobs that have lost two leases and may lose a third.
-- Needs: heads.lua; suspects, wake, paused. Gives: make_suspect(score, id, header where it takes a new turn); suspected, whether there was one to be put there.
local suspected
local function make_suspect(score, id, header)
  if fair then
    keep_floor(header or '', score)
  end
  redis.call('ZADD', suspects, score, id)
  suspected = true
  if not paused then
    redis.call('ZADD', wake, 0, '1')
  end
end
