-- emit.lua: events of the application's own, of no job.
-- KEYS[1] producers  KEYS[2] events  KEYS[3] meta
-- ARGV[1] incarnation  hex, of the caller   ARGV[2] counter  integer, one higher a call
-- ARGV[3] ...          what each one says (emitted.lua)
-- Returns 1 | 0 for a call that was taken before: it is sent again, or comes late
-- Why no allow-oom: as enqueue.lua.
local producers, events, meta = KEYS[1], KEYS[2], KEYS[3]
local incarnation, counter = ARGV[1], tonumber(ARGV[2])
--@include now
--@include types
--@include arguments
local schema = redis.call('HEXISTS', meta, 'schema') == 1
--@include open
--@include emitted
require_arguments(3)
require_types({ producers, meta }, {}, { events })
local last = string.match(redis.call('HGET', producers, incarnation) or '', '^(%d+),')
if last and counter <= tonumber(last) then
  return 0
end
open_queue()
for i = 3, #ARGV do
  emit('', ARGV[i])
end
publish_emitted()
redis.call('HSET', producers, incarnation, int(counter) .. ',' .. time .. ',')
return 1
