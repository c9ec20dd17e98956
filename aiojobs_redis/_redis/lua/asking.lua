-- asking.lua: jobs of other queues whose end is still to be told here, so that somebody asks for it.
-- Flags: allow-oom
-- KEYS[1] edges  KEYS[2] flows  KEYS[3] blocked
-- ARGV[1] after  the last name of the page before, or empty
-- Returns { two a name: the name; for how many ms a job has waited for it }, up to 100 names
-- One for which nobody waits any more is forgotten.
local edges, flows, blocked = KEYS[1], KEYS[2], KEYS[3]
--@include now
--@include types
require_types({ flows }, { edges, blocked })
local reply = {}
local found = redis.call('ZRANGE', edges, ARGV[1] == '' and '[?' or '(?' .. ARGV[1], '(@', 'BYLEX', 'LIMIT', 0, 100)
for _, member in ipairs(found) do
  local name = string.sub(member, 2)
  local head = #name .. ':' .. name .. ','
  local first = redis.call('ZRANGE', edges, '[' .. head .. 'a', '(' .. head .. 'b', 'BYLEX', 'LIMIT', 0, 1)[1]
  if first then
    local since = tonumber(redis.call('ZSCORE', blocked, string.sub(first, #head + 2)) or now)
    reply[#reply + 1], reply[#reply + 2] = name, math.max(0, now - since)
  else
    redis.call('ZREM', edges, member)
  end
end
return reply
