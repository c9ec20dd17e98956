-- lift.lua: arrivals follow what is claimed, so that jobs without a key stay among those that have one.
-- Needs: fair.lua, ready.lua; tags. Gives: lift(popped).
local function lift(popped)
  if not fair then
    return
  end
  local furthest = 0
  for i = 2, #popped, 2 do
    furthest = math.max(furthest, tonumber(popped[i]) % BAND)
  end
  if furthest > tonumber(redis.call('HGET', meta, 'sequence') or 0) then
    redis.call('HSET', meta, 'sequence', int(furthest))
  end
end
