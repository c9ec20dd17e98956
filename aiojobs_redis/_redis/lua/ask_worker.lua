-- ask_worker.lua: what an operator asks of a worker is kept until a beat of the worker has obeyed.
-- Flags: allow-oom
-- KEYS[1] workers  KEYS[2] meta  KEYS[3] producers
-- ARGV[1] call  as for remove.lua  ARGV[2] worker  name
-- ARGV[3] letter  q to be quiet, r to claim again, s to stop; with the call it is the word
-- Returns 1 | 0 where no such worker was seen in the last minute
-- The message only has the worker beat at once: what is to be done stands here, so it can neither be lost nor
-- be overtaken by an older one. It is kept in meta, which a beat reads anyway, and only beside an entry of the
-- registry, with which it goes (leave.lua, drop_old.lua). A worker that has stopped is gone: asked again since
-- the answer was lost, it is the one of before.
local workers, meta, producers = KEYS[1], KEYS[2], KEYS[3]
local call, worker, letter = ARGV[1], ARGV[2], ARGV[3]
--@include now types arguments answered
require_arguments(3)
require_types({ workers, meta, producers }, {})
if answer_before() then
  return 1
end
local seen = tonumber(string.match(redis.call('HGET', workers, worker) or '', '^%d+'))
if not seen or now - seen >= 60000 then
  return 0
end
redis.call('HSET', meta, 'word ' .. worker, letter .. call)
answer('')
local channel = string.gsub(meta, 'meta$', 'cancel:') .. worker
redis.pcall('PUBLISH', channel, 'beat')
return 1
