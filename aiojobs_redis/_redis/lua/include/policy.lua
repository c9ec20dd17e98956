-- policy.lua: what the failure of a parent means for a child.
-- Needs: record.lua, edges.lua, abroad.lua; errors, flows. Gives: policy_of(child, header, parent) -> f the child fails,
-- c it is cancelled, r it runs all the same, n it runs now, without the other parents; fatal(child, header, parent),
-- whether f or c; swept(parent), of one that was cancelled: whether by this, so that what is behind it is cancelled in turn;
-- stop_waiting(child) -> for how many it waits on.
-- Option f has the letter for all parents; behind it, where they differ, one for each but gates, in their order. A gate
-- that does not open cancels.
local function policy_of(child, header, parent)
  local letters, place = option(header, 'f') or 'f', 0
  if is_gate(parent) then
    return 'c'
  elseif #letters < 2 then
    return letters
  end
  for _, one in ipairs(parents_of({ child })[child] or {}) do
    place = place + (is_gate(one) and 0 or 1)
    if one == parent then
      break
    end
  end
  local own = string.sub(letters, place + 1, place + 1)
  return own ~= '' and own or string.sub(letters, 1, 1)
end
local function fatal(child, header, parent)
  local policy = policy_of(child, header, parent)
  return policy ~= 'r' and policy ~= 'n'
end
-- For gates it waits on: until one opens, the flow may not be there.
local function stop_waiting(child)
  local waits, told = 0, {}
  for _, parent in ipairs(parents_of({ child })[child] or {}) do
    if is_gate(parent) then
      waits = waits + (redis.call('ZSCORE', edges, edge(parent, 'a', child)) and 1 or 0)
    elseif redis.call('ZREM', edges, edge(parent, 'a', child)) == 1 then
      push(told, 0, edge(parent, 'd', child))
    end
  end
  if #told > 0 then
    redis.call('ZADD', edges, unpack(told))
  end
  redis.call('HSET', flows, 'n' .. child, waits)
  return waits
end
-- The last of its errors says why it ended: a script wrote it, so no codec has sealed it.
local function swept(parent)
  local lines = string.byte(parent) == 255 and redis.call('HGET', flows, 'v' .. parent) or redis.call('HGET', errors, parent)
  return string.find(string.match(lines or '', '[^\n]*$'), '"type":"parent_failed"', 1, true) ~= nil
end
