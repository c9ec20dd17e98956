-- note_action.lua: somebody did something to the queue; 10,000 such records are kept.
-- Flags: allow-oom
-- KEYS[1] actions
-- ARGV[1] call  as for remove.lua; it stands in the record, since a queue that does not exist yet has nothing else
-- ARGV[2] what they did, JSON
-- Returns the id of the record
local actions = KEYS[1]
local call, text = ARGV[1], ARGV[2]
--@include now
--@include arguments
require_arguments(2)
-- Nobody sends a call again after ten seconds.
for _, entry in ipairs(redis.call('XREVRANGE', actions, '+', int(now - 10000), 'COUNT', 1000)) do
  if entry[2][4] == call then
    return entry[1]
  end
end
return redis.call('XADD', actions, 'MAXLEN', '~', 10000, '*', 'a', text, 'c', call)
