-- left_out.lua: of jobs that are to run again, those that would run without one on which they depend: it has failed
-- too, and does not run again with them.
-- Needs: record.lua, retake.lua, edges.lua, policy.lua, rejoin.lua. Gives: left_out(jobs, all) -> a set of those
-- ids of a table of jobs by id; died_with(id, jobs, a set of those that stay), whether it died of one that runs again.
-- Where not all, those that run whatever becomes of others are none of them. What is
-- behind one whose unique key another job holds is: that one stays dead.
local function failed_before(id, header, all)
  local found, parents = {}, parents_of({ id })[id] or {}
  for i, letter in ipairs(#parents > 0 and letters_of(parents) or {}) do
    if (letter == 'd' or letter == 'x') and (all or fatal(id, header, parents[i])) then
      found[#found + 1] = parents[i]
    end
  end
  return found
end
local function left_out(jobs, all)
  local behind, out, seen = {}, {}, {}
  for id, job in pairs(jobs) do
    local lacks, held = false, held_by_another(job.header)
    for _, parent in ipairs(failed_before(id, job.header, all)) do
      lacks = lacks or not jobs[parent]
      behind[parent] = behind[parent] or {}
      table.insert(behind[parent], id)
    end
    if lacks or held then
      out[#out + 1], seen[id] = id, lacks
    end
  end
  local at = 1
  while out[at] do
    for _, child in ipairs(behind[out[at]] or {}) do
      if not seen[child] then
        out[#out + 1], seen[child] = child, true
      end
    end
    at = at + 1
  end
  return seen
end
local function died_with(id, jobs, stay)
  for _, parent in ipairs(flowing and parents_of({ id })[id] or {}) do
    if jobs[parent] and not stay[parent] and redis.call('ZSCORE', edges, edge(parent, 'k', id)) then
      return true
    end
  end
end
