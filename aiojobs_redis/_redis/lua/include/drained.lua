-- drained.lua: whether there is more to claim; and whether an exchange reported the last job that was running, while
-- none is queued, which is told once.
-- Needs: checked.lua, tally.lua; ready, suspects, leases, limit, limited, may_suspect, completions, lost, claimed. Gives: waits.
-- Nothing but the claim takes from ready, and under limits it takes more than it claims.
local left = not limited and queued > limit and queued or redis.call('ZCARD', ready)
local waits = left > 0 or may_suspect and redis.call('ZCARD', suspects) > 0
if completions > #lost and left + #claimed == 0 and redis.call('ZCARD', leases) == 0 and redis.call('ZCARD', suspects) == 0 then
  note('drained', '')
end
