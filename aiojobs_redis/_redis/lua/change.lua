-- change.lua: a job that waits gets another spec, if it is still the one that its caller has read.
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] meta  KEYS[4] extras
-- ARGV[1] id    ARGV[2] before  header and spec as they were read  ARGV[3] spec
-- Returns the state letter, in upper case where it was changed, also by this call when it was sent before; ! where it is another one by now; '' for no such job
-- What it did with other arguments it forgets (anew.lua).
-- Why no allow-oom: as enqueue.lua.
local jobs, runs, meta, extras = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, before, spec = ARGV[1], ARGV[2], ARGV[3]
--@include types
--@include record
--@include anew
require_types({ runs, meta, extras }, {}, {})
local blob = redis.call('HGET', jobs, id)
if not blob then
  return ''
end
local record = redis.call('HGET', runs, id)
local state = string.match(record or 'q', '^%a')
local head = string.match(before, '^([^\n]*)\n')
local changed = (head and head .. '\n' or '') .. spec
local function but_for_its_begin(text)
  local first, rest = string.match(text, '^([^\n]*)(.*)$')
  return string.gsub(first, ',i%d+', '') .. rest
end
if state and blob ~= before and but_for_its_begin(blob) == but_for_its_begin(changed) then
  -- This call did it, and is sent again: its first answer was lost.
  return string.upper(state)
end
if not state or not string.find('qstb', state, 1, true) then
  return state or '?'
end
if blob ~= before then
  return '!'
end
if blob == changed then
  return string.upper(state)
end
if #spec > 16000 then
  redis.call('HSET', meta, 'big', '1')
end
local run = read_run(record)
if run then
  run.header = begun_anew(id, run, run.header)
  redis.call('HSET', runs, id, write_run(run))
end
redis.call('HSET', jobs, id, (run and head and begun_anew(id, run, head) .. '\n' .. spec) or changed)
return string.upper(state)
