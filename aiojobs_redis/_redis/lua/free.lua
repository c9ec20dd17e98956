-- free.lua: a job gives up its unique key, so that the next job with that key is added.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] blocked  KEYS[4] scheduled  KEYS[5] due  KEYS[6] unique  KEYS[7] followers
-- KEYS[8] producers
-- ARGV[1] call  as for remove.lua  ARGV[2] id
-- Returns 1 | 0 where the job does not hold its key, or has none: nothing was changed
-- Its record forgets the key too; the header in jobs keeps it, for a replay. What waits for its end has the
-- key then, and goes on.
local jobs, runs, blocked, scheduled, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local unique, followers, producers = KEYS[6], KEYS[7], KEYS[8]
local call, id = ARGV[1], ARGV[2]
--@include now
--@include types
--@include record
--@include peek
--@include unique
--@include following
--@include follow
--@include answered
--@include arguments
require_arguments(2)
require_types({ jobs, runs, unique, producers }, { blocked, scheduled, due })
if answer_before() then
  return 1
end
local header = string.match(redis.call('HGET', jobs, id) or '', '^(,[^\n]*)\n')
local found = header and read_unique(header)
local holder, run = nil, nil
if found then
  holder, run = holder_of(found.key)
end
if holder ~= id then
  return 0
end
if run then
  run.header = string.gsub(run.header, ',u[^,]*', '')
  redis.call('HSET', runs, id, write_run(run))
end
-- With its window.
redis.call('HDEL', unique, found.key)
let_follow(id)
answer('')
return 1
