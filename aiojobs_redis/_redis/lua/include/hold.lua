-- hold.lua: new jobs wait until the jobs that they depend on have ended.
-- Needs: edges.lua, ready.lua, record.lua, wait_abroad.lua; jobs, runs, blocked, wake. Gives: find_parents(first, count) -> a
-- child and the parent of it that does not exist, or nil; flow.waits(place in the call, id) -> whether it waits;
-- flow.write(), which writes what these calls have noted.
-- ARGV from first, three a job as for admit.lua; behind them, for each job with the option f, its parents as
-- netstrings; then floors (wait_abroad.lua); behind these in pairs a queue and an id of a job of the call for whose end it waits, or a gate, which
-- opens in that queue. A parent may stand before its child in the same call.
-- One that has completed counts at once. One that has failed is marked like any whose children are still to be told.
local parents, states, pairs_at = {}, {}, nil
local function load_states(first, count)
  local ids, at = {}, first + 3 * count
  for i = 1, count do
    ids[#ids + 1] = ARGV[first + 3 * (i - 1)]
    if string.find(ARGV[first + 3 * i - 2], ',f', 1, true) then
      parents[i] = unpack_ids(ARGV[at])
      for _, parent in ipairs(parents[i]) do
        ids[#ids + 1] = parent
      end
      at = at + 1
    end
  end
  load_floors(ARGV[at] or '')
  pairs_at = at + 1
  for i, text in ipairs(redis.call('HMGET', runs, unpack(ids))) do
    states[ids[i]] = text and string.sub(text, 1, 1) or states[ids[i]]
  end
end
local function state_of(id)
  states[id] = states[id] or letter_abroad(id) and 'q' or redis.call('HEXISTS', jobs, id) == 1 and 'q'
  return states[id]
end
local function find_parents(first, count)
  load_states(first, count)
  for i = 1, count do
    local id, seen, own = ARGV[first + 3 * (i - 1)], {}, {}
    for _, parent in ipairs(parents[i] or {}) do
      if not state_of(parent) and redis.call('HEXISTS', jobs, id) == 0 then
        return id, parent
      end
      if not seen[parent] then
        seen[parent], own[#own + 1] = true, parent
      end
    end
    parents[i] = own
    states[id] = state_of(id) or 'q'
  end
end
local flow = { members = {}, fields = {}, waiting = {} }
function flow.waits(place, id)
  local waits = 0
  for _, parent in ipairs(parents[place]) do
    local done = states[parent] == 'c'
    waits = waits + (done and 0 or 1)
    push(flow.members, 0, edge(parent, done and 'd' or 'a', id))
    if letter_abroad(parent) then
      wait_abroad(parent, flow.members, flow.fields)
    elseif states[parent] == 'd' or states[parent] == 'x' then
      push(flow.members, 0, '!' .. parent)
      if not paused then
        redis.call('ZADD', wake, 0, '1')
      end
    end
  end
  if #parents[place] > 0 then
    push(flow.fields, 'p' .. id, pack_ids(parents[place], 1, #parents[place]))
  end
  if waits > 0 then
    push(flow.fields, 'n' .. id, waits)
    push(flow.waiting, time, id)
  end
  return waits > 0
end
-- Any number of queues may wait for jobs of a call, and Lua takes 8,000 values of a list at most.
local function write_all(command, key, list)
  for at = 1, #list, 2000 do
    redis.call(command, key, unpack(list, at, math.min(at + 1999, #list)))
  end
end
function flow.write()
  for i = pairs_at, #ARGV, 2 do
    local queue, id = ARGV[i], ARGV[i + 1]
    local gate, ended_before = string.byte(id) == 255, string.find('cdx', states[id] or 'q', 1, true)
    if gate then
      push(flow.members, 0, '>' .. queue .. ',' .. id)
    elseif not ended_before or not redis.call('ZSCORE', edges, edge(id, 'c', queue)) then
      -- What was told, or was to be told, is of a job that had this id before; or the queue is told again.
      redis.call('ZREM', edges, edge(id, 'c', queue), edge(id, 'g', queue))
      push(flow.members, 0, edge(id, 'b', queue))
      if ended_before then
        push(flow.members, 0, '!' .. id)
      end
    end
  end
  write_all('ZADD', edges, flow.members)
  write_all('HSET', flows, flow.fields)
  write_all('ZADD', blocked, flow.waiting)
end
