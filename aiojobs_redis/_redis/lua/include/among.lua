-- among.lua: who waits for a job, or was told of its end; of many jobs in one command, so that those of no flow cost nothing.
-- Needs: edges. Gives: children(parent, from, past, most); edges_among(ids) -> by id the letters of its edges (edges.lua), or nil
-- where too many stand between the first and the last of them: then each is asked by itself; has_edges(id, from, past, among),
-- whether a job has edges of these letters, from the first on and before the last.
local function children(parent, from, past, most)
  local head = #parent .. ':' .. parent .. ','
  local found = redis.call('ZRANGE', edges, '[' .. head .. from, '(' .. head .. past, 'BYLEX', 'LIMIT', 0, most)
  for i, member in ipairs(found) do
    found[i] = string.sub(member, #head + 2)
  end
  return found
end
local function edges_among(ids)
  if #ids < 2 then
    return nil
  end
  local first, last = nil, ''
  for _, id in ipairs(ids) do
    local head = #id .. ':' .. id .. ','
    first = first and first < head and first or head
    last = last > head and last or head
  end
  local most, letters = 2 * #ids, {}
  local found = redis.call('ZRANGE', edges, '[' .. first, '(' .. last .. '~', 'BYLEX', 'LIMIT', 0, most)
  for _, member in ipairs(found) do
    local size, at = string.match(member, '^(%d+):()')
    local parent = size and string.sub(member, at, at + size - 1)
    if parent then
      letters[parent] = (letters[parent] or '') .. string.sub(member, at + size + 1, at + size + 1)
    end
  end
  return #found < most and letters or nil
end
local function has_edges(id, from, past, among)
  if not among then
    return #children(id, from, past, 1) > 0
  end
  local before = string.char(string.byte(past) - 1)
  return among[id] ~= nil and string.find(among[id], '[' .. from .. '-' .. before .. ']') ~= nil
end
