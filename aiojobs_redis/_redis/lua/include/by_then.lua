-- by_then.lua: whether a job has been there for long enough to go.
-- Needs: now.lua, record.lua; states, from which jobs go, and since, as for remove.lua. Gives: was_there(run).
-- An age counts from the end of what has ended. A moment is that at which a drain began: who has started since is at
-- work on the queue as it is meanwhile, and who fell due since was no job to drain, unless scheduled ones go as well.
local age, moment = tonumber(since), tonumber(string.match(since, '^@(%d+)$'))
local takes_scheduled = string.find(states, 's', 1, true)
local function was_there(run)
  local added = tonumber(option(run.header, 'e') or '', 36) or 0
  if not moment then
    return (tonumber(run.finished) or added) <= now - age
  end
  local due = not takes_scheduled and tonumber(option(run.header, 'w')) or 0
  return math.max(added, due, tonumber(run.started) or 0) <= moment
end
