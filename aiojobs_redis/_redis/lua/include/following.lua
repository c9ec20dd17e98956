-- following.lua: whether a job waits for the end of one with the same unique key.
-- Needs: types.lua; unique, followers, blocked, scheduled, due; and follow.lua where following.
-- Gives: following; released, whether this script let one of them go on.
local following, released = redis.call('HLEN', followers) > 0, false
if following then
  require_types({ unique }, { blocked, scheduled, due })
end
