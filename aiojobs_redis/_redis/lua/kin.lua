-- kin.lua: on which jobs each of up to 250 depends, and which depend on it.
-- Flags: allow-oom
-- KEYS[1] edges  KEYS[2] flows
-- ARGV[1] most   children of each      ARGV[2] ...  ids, and names of jobs of other queues (abroad.lua)
-- Returns per id { its parents, its children, queues that wait for its end or know of it }; of gates nothing. Ids with
-- which the children would be more than most are left out, the first never is: fifty parents may share ten thousand.
local edges, flows = KEYS[1], KEYS[2]
local most, sum = tonumber(ARGV[1]), 0
local reply = {}
--@include netstring
--@include abroad
local function parents_of(id)
  local found = {}
  for _, parent in ipairs(unpack_ids(redis.call('HGET', flows, 'p' .. id) or '')) do
    found[#found + 1] = not is_gate(parent) and parent or nil
  end
  return found
end
local function children_of(id)
  local head = #id .. ':' .. id .. ','
  local found = redis.call('ZRANGE', edges, '[' .. head, '(' .. #id .. ':' .. id .. '-', 'BYLEX', 'LIMIT', 0, most)
  local own, queues = {}, {}
  for _, member in ipairs(found) do
    local letter = string.sub(member, #head + 1, #head + 1)
    local list = string.find('bcg', letter, 1, true) and queues or own
    list[#list + 1] = string.sub(member, #head + 2)
  end
  return own, queues
end
for i = 2, #ARGV do
  local children, queues = children_of(ARGV[i])
  sum = sum + #children + #queues
  if sum > most and i > 2 then
    break
  end
  reply[i - 1] = { parents_of(ARGV[i]), children, queues }
end
return reply
