-- give.lua: a job as a worker gets it: id, header and spec, fence, counts, which are "generation,failures,lost" or empty for 1,0,0, with
-- ",1" behind where an attempt before has left a state or steps.
-- A header of BARE characters holds the time of the enqueue and no option.
-- Needs: record.lua. Gives: BARE; give(id, blob, fence, run or nil, reply), which appends these.
local BARE = 10
local function give(id, blob, fence, run, reply)
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3] = id, blob, fence
  local counts = run and run.generation .. ',' .. run.failures .. ',' .. run.lost
  if run and #run.header > BARE and option(run.header, 'j') then
    counts = counts .. ',1'
  end
  reply[at + 4] = counts ~= '1,0,0' and counts or ''
end
