-- clear_log.lua: forget the log of a job, but for its last entries.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] extras
-- ARGV[1] id    ARGV[2] keep  how many of the last entries stay
-- Returns 1 | 0 for no such job
-- Fence and number of the last note stay: without them one that is sent again would be written twice.
local jobs, extras = KEYS[1], KEYS[2]
local id, keep = ARGV[1], tonumber(ARGV[2])
--@include types
require_types({ extras }, {}, {})
if redis.call('HEXISTS', jobs, id) == 0 then
  return 0
end
local recent, older = redis.call('HGET', extras, 'l' .. id), redis.call('HGET', extras, 'o' .. id) or ''
local head = recent and string.match(recent, '^%d+,%d+,')
if head then
  local list = older .. string.sub(recent, #head + 1)
  local places, at = {}, 1
  while at <= #list do
    places[#places + 1] = at
    local length, start = string.match(list, '^(%d+):()', at)
    at = length and start + length or #list + 1
  end
  local first = places[math.max(#places - keep, 0) + 1] or #list + 1
  redis.call('HDEL', extras, 'o' .. id)
  redis.call('HSET', extras, 'l' .. id, head .. string.sub(list, first))
end
return 1
