-- hold.lua: new jobs wait until the jobs that they depend on have ended.
-- Needs: edges.lua, ready.lua; jobs, runs, blocked, wake. Gives: flow; find_parents(first, count) -> a
-- child and the parent of it that does not exist, or nil; flow.waits(place in the call, id) -> whether it waits.
-- ARGV from first, three a job as for admit.lua; behind them, for each job with the option f, its parents as
-- netstrings. A parent may stand before its child in the same call.
-- One that has completed counts at once. One that has failed is marked like any whose children are still to
-- be told, so that there is one place which decides what that means.
local parents, states = {}, {}
local function state_now(id)
  local run = redis.call('HGET', runs, id)
  return run and string.sub(run, 1, 1) or redis.call('HEXISTS', jobs, id) == 1 and 'q'
end
local function find_parents(first, count)
  local at = first + 3 * count
  for i = 1, count do
    local id, seen = ARGV[first + 3 * (i - 1)], {}
    if string.find(ARGV[first + 3 * i - 2], ',f', 1, true) then
      parents[i] = {}
      for _, parent in ipairs(unpack_ids(ARGV[at])) do
        states[parent] = states[parent] or state_now(parent)
        if not states[parent] and redis.call('HEXISTS', jobs, id) == 0 then
          return id, parent
        end
        if not seen[parent] then
          seen[parent], parents[i][#parents[i] + 1] = true, parent
        end
      end
      at = at + 1
    end
    states[id] = states[id] or state_now(id) or 'q'
  end
end
local flow = {}
function flow.waits(place, id)
  local known, members, waits = parents[place], {}, 0
  if not known or #known == 0 then
    return false
  end
  for _, parent in ipairs(known) do
    local done = states[parent] == 'c'
    waits = waits + (done and 0 or 1)
    members[#members + 1], members[#members + 2] = 0, edge(parent, done and 'd' or 'a', id)
    if states[parent] == 'd' or states[parent] == 'x' then
      members[#members + 1], members[#members + 2] = 0, '!' .. parent
      if not paused then
        redis.call('ZADD', wake, 0, '1')
      end
    end
  end
  redis.call('ZADD', edges, unpack(members))
  redis.call('HSET', flows, 'p' .. id, pack_ids(known, 1, #known))
  if waits > 0 then
    redis.call('HSET', flows, 'n' .. id, waits)
    redis.call('ZADD', blocked, time, id)
  end
  return waits > 0
end

