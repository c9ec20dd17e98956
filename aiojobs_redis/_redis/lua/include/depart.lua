-- depart.lua: the end of a job that may be part of a flow.
-- Needs: flowing.lua, edges.lua; tight. Gives: depart(id, letter, keep), letter of its state -> how long
-- it is kept, and whether only since jobs that wait for it, or run by now, may still read what became of it; batch, whose ids
-- accept.lua sets: all that may complete in this call, which are asked about at once.
local batch = { ids = {} }
local function depart(id, letter, keep)
  ended[#ended + 1], ended[id] = id, letter
  if keep ~= 0 and not (tight and letter == 'c') then
    return keep
  elseif letter == 'c' and not batch.parents then
    batch.among, batch.parents = edges_among(batch.ids), parents_of(batch.ids)
  end
  local parents = letter == 'c' and batch.parents or parents_of({ id })
  if needed(id, letter == 'c' and batch.among) then
    return math.max(keep or 0, 3600000), true
  end
  -- With many parents it goes with the next that are evicted, of which each script takes as many as it has time for.
  return keep == 0 and #(parents[id] or {}) > 10 and 1 or keep
end
