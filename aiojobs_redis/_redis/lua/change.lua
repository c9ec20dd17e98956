-- change.lua: a job that waits gets another spec, if it is still the one that its caller has read.
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] meta
-- ARGV[1] id    ARGV[2] before  header and spec as they were read  ARGV[3] spec
-- Returns the state letter, in upper case where it was changed, also by this call when it was sent before; ! where it is another one by now; '' for no such job
-- Why no allow-oom: as enqueue.lua.
local jobs, runs, meta = KEYS[1], KEYS[2], KEYS[3]
local id, before, spec = ARGV[1], ARGV[2], ARGV[3]
--@include types
require_types({ runs, meta }, {}, {})
local blob = redis.call('HGET', jobs, id)
if not blob then
  return ''
end
local state = string.match(redis.call('HGET', runs, id) or 'q', '^%a')
local changed = (string.match(before, '^[^\n]*\n') or '') .. spec
if state and blob == changed and blob ~= before then
  -- This call did it, and is sent again: its first answer was lost.
  return string.upper(state)
end
if not state or not string.find('qstb', state, 1, true) then
  return state or '?'
end
if blob ~= before then
  return '!'
end
if #spec > 16000 then
  redis.call('HSET', meta, 'big', '1')
end
redis.call('HSET', jobs, id, changed)
return string.upper(state)
