-- edges.lua: which jobs wait for which others, and whom the end of a job still has to reach.
-- Needs: netstring.lua, flowing.lua, among.lua; edges, flows.
-- A member of edges is "length:parent,", a letter and the child, so that the children of a parent stand
-- together, by letter: a it waits for the parent, d it was told of its end, f the child has ended,
-- k it ended because of this parent; b c g are of queues (outbox.lua). "!parent": it has ended, and children
-- are left to be told; "+parent": it runs again, and so will those that ended because of it; "*child": it has
-- ended, and its edges do not say so yet: that goes when it runs again (rejoin.lua), or with its edges.
-- flows: p and a child's id its parents (netstrings), n and its id how many of them it waits for.
-- Gives: edge(parent, letter, child); needed(id, among); mark_left(ids, among or nil); left_to_tell(); parents_of(ids) -> lists by id;
-- close(id, parents) -> edges written, close_edges(ids), the rest of which is marked; unlink(id, parents, first), from that one on; drop(ids).
local MOST_EDGES = 1000
local function edge(parent, letter, child)
  return #parent .. ':' .. parent .. ',' .. letter .. child
end
-- Whether a job that has not ended may still read what became of this one.
local function needed(id, among)
  return flowing and has_edges(id, 'a', 'e', among)
end
local function mark_left(ids, among)
  local left = {}
  for _, id in ipairs(ids) do
    left[#left + 1] = not told[id] and id or nil
  end
  among = among or edges_among(left)
  for _, id in ipairs(left) do
    if has_edges(id, 'a', 'c', among) then
      redis.call('ZADD', edges, 0, '!' .. id)
    end
  end
end
local function left_to_tell()
  return flowing and redis.call('ZRANGE', edges, '[!', '(0', 'BYLEX', 'LIMIT', 0, 1)[1]
end
local function parents_of(ids)
  local fields = {}
  for i, id in ipairs(ids) do
    fields[i] = 'p' .. id
  end
  local lists, found = redis.call('HMGET', flows, unpack(fields)), {}
  for i, id in ipairs(ids) do
    if lists[i] then
      found[id] = unpack_ids(lists[i])
    end
  end
  return found
end
-- Who has ended waits for nobody; only the edge to the parent that it died of says more. Returns how many edges
-- were written.
local function close(id, parents)
  local old, new = {}, {}
  for _, parent in ipairs(parents) do
    if killers[id] ~= parent then
      old[#old + 1], old[#old + 2] = edge(parent, 'a', id), edge(parent, 'd', id)
      new[#new + 1], new[#new + 2] = 0, edge(parent, 'f', id)
    end
  end
  if #old > 0 then
    redis.call('ZREM', edges, unpack(old))
    redis.call('ZADD', edges, unpack(new))
  end
  redis.call('HDEL', flows, 'n' .. id)
  return #old / 2
end
-- Of those that died of a parent no more come in a script than it has room for (release.lua).
local function close_edges(ids)
  local written, parents = 0, #ids > 0 and parents_of(ids) or {}
  for _, id in ipairs(ids) do
    if parents[id] and (written < MOST_EDGES or killers[id]) then
      written = written + close(id, parents[id])
    elseif parents[id] then
      redis.call('HDEL', flows, 'n' .. id)
      redis.call('ZADD', edges, 0, '*' .. id)
    end
  end
end
-- One of another queue (abroad.lua) is forgotten with the last edge to it.
local function unlink(id, parents, first)
  for i = first, #parents do
    local parent = parents[i]
    redis.call('ZREM', edges, '*' .. id, edge(parent, 'a', id), edge(parent, 'd', id), edge(parent, 'f', id), edge(parent, 'k', id))
    if string.byte(parent) == 255 and #children(parent, 'a', 'l', 1) == 0 then
      redis.call('HDEL', flows, 'o' .. parent, 'v' .. parent)
      redis.call('ZREM', edges, '?' .. parent, '!' .. parent, '+' .. parent)
    end
  end
end
-- Of whom nothing is kept: its own edges go, and those of its children when they go.
local function drop(ids)
  local among = edges_among(ids)
  mark_left(ids, among)
  for _, id in ipairs(ids) do
    for _, queue in ipairs(has_edges(id, 'g', 'h', among) and children(id, 'g', 'h', 250) or {}) do
      redis.call('ZREM', edges, edge(id, 'g', queue))
    end
  end
  for id, parents in pairs(parents_of(ids)) do
    unlink(id, parents, 1)
    redis.call('HDEL', flows, 'p' .. id, 'n' .. id)
  end
end
