-- kin.lua: on which jobs each of up to 250 depends, and which depend on it.
-- Flags: allow-oom
-- KEYS[1] edges  KEYS[2] flows
-- ARGV[1] most   children of each      ARGV[2] ...  ids
-- Returns per id { its parents, its children }, both lists of ids
local edges, flows = KEYS[1], KEYS[2]
local most = tonumber(ARGV[1])
local reply = {}
--@include netstring
local function children_of(id)
  local head = #id .. ':' .. id .. ','
  local found = redis.call('ZRANGE', edges, '[' .. head, '(' .. #id .. ':' .. id .. '-', 'BYLEX', 'LIMIT', 0, most)
  for i, member in ipairs(found) do
    found[i] = string.sub(member, #head + 2)
  end
  return found
end
for i = 2, #ARGV do
  reply[i - 1] = { unpack_ids(redis.call('HGET', flows, 'p' .. ARGV[i]) or ''), children_of(ARGV[i]) }
end
return reply
