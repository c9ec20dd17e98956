-- drained.lua: whether an exchange reported the last job that was running, while none is queued: that is told once.
-- Needs: tally.lua; ready, suspects, leases, completions, lost, claimed. Gives: left, how many jobs are in ready.
local left = redis.call('ZCARD', ready)
if completions > #lost and left + #claimed == 0 and redis.call('ZCARD', leases) == 0 and redis.call('ZCARD', suspects) == 0 then
  note('drained', '')
end
