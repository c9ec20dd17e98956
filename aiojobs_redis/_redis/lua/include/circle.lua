-- circle.lua: no new job waits for one that waits for it: neither would ever run.
-- It comes to that where the id was that of a job that is gone while others waited for it, who were not told yet: they
-- wait for whoever has the id next. Such an id is marked, so a queue without a mark costs one look.
-- Needs: edges.lua, hold.lua; jobs, edges, flows. Gives: find_circle(first, count) -> a job of the call and the parent of
-- it that waits for it, or nil; leads_to(parent, id, parents of jobs that are not written yet) -> whether that parent waits
-- for the id. A thousand dependencies are looked at; where there are more it may be one, and counts as one.
local MOST_LOOKS = 1000
local looks = MOST_LOOKS
local function leads_to(parent, id, own)
  local found, seen, at = { parent }, { [parent] = true }, 1
  while found[at] do
    local job = found[at]
    -- Who has ended waits for nobody, whatever its edges still say.
    local waits = own[job] or redis.call('HEXISTS', flows, 'n' .. job) == 1 and parents_of({ job })[job]
    for _, above in ipairs(waits or {}) do
      looks = looks - 1
      if looks < 0 then
        return true
      end
      if not seen[above] and (own[job] or redis.call('ZSCORE', edges, edge(above, 'a', job))) then
        if above == id then
          return true
        end
        seen[above], found[#found + 1] = true, above
      end
    end
    at = at + 1
  end
end
local function find_circle(first, count)
  local own, new = {}, {}
  for i = 1, left_to_tell() and count or 0 do
    local id = ARGV[first + 3 * (i - 1)]
    if not own[id] and redis.call('HEXISTS', jobs, id) == 0 then
      own[id], new[#new + 1] = parents[i], id
    end
  end
  for _, id in ipairs(new) do
    for _, parent in ipairs(redis.call('ZSCORE', edges, '!' .. id) and own[id] or {}) do
      if leads_to(parent, id, own) then
        return id, parent
      end
    end
  end
end
