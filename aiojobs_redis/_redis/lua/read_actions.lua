-- read_actions.lua: one page of what was done to the queue, the newest first.
-- Flags: allow-oom
-- KEYS[1] actions
-- ARGV[1] end    id of a record, with ( before it to leave that out; + for the newest
-- ARGV[2] limit  records, at most 1,000
-- Returns two a record: id; JSON
local actions = KEYS[1]
local flat = {}
for _, entry in ipairs(redis.call('XREVRANGE', actions, ARGV[1], '-', 'COUNT', ARGV[2])) do
  flat[#flat + 1], flat[#flat + 2] = entry[1], entry[2][2]
end
return flat
