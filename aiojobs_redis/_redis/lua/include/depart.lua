-- depart.lua: the end of a job that may be part of a flow.
-- Needs: flowing.lua, edges.lua; tight. Gives: depart(id, letter, keep), letter of its state -> how long
-- it is kept, and whether only since jobs that wait for it, or run by now, may still read what became of it.
local function depart(id, letter, keep)
  ended[#ended + 1], ended[id] = id, letter
  if (keep == 0 or tight and letter == 'c') and needed(id) then
    return math.max(keep or 0, 3600000), true
  elseif keep == 0 and redis.call('HSTRLEN', flows, 'p' .. id) > 320 then
    -- It goes with the next that are evicted, of which each script takes as many as it has time for.
    return 1
  end
  return keep
end
