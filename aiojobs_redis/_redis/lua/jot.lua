-- jot.lua: what running jobs leave beside their record: progress, log lines, state, steps and events of their own.
-- Flags: allow-oom
-- KEYS[1] runs  KEYS[2] extras  KEYS[3] stats  KEYS[4] events  KEYS[5] meta
-- ARGV[1] ...   five a note: id; token; kind (extras.lua); number, one higher a note of this lease; body
-- Returns { notes that were looked at, ids whose lease is not the caller's any more }; for those nothing is
-- written, and notes beyond 256 KiB that are read or written are left to the next call
-- A note that was written under this lease before is not written again: its answer was lost.
local runs, extras, stats, events, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
--@include now
--@include types
--@include state
--@include record
--@include netstring
--@include tally
--@include extras
--@include emitted
require_types({ runs, extras, stats }, {}, { events })
if #ARGV % 5 ~= 0 then
  error('needs five arguments a note, got ' .. #ARGV)
end
local lost, done = {}, 0
for at = 1, #ARGV, 5 do
  if spent > 262144 then
    break
  end
  local id, kind, number, body = ARGV[at], ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4]
  local run = read_run(redis.call('HGET', runs, id))
  done = done + 1
  if not run or run.state ~= 'r' or run.fence .. ',' .. run.nonce ~= ARGV[at + 1] then
    lost[#lost + 1] = id
  elseif write_down(kind, id, run.fence, number, body) then
    if kind == 'p' then
      note('progress', id)
    elseif kind == 'e' then
      for _, one in ipairs(unpack_ids(body)) do
        emit(id, one)
      end
    elseif (kind == 's' or kind == 'c') and not option(run.header, 'j') then
      -- Whoever claims it next has to read that first.
      run.header = run.header .. ',j'
      redis.call('HSET', runs, id, write_run(run))
    end
  end
end
publish()
publish_emitted()
return { done, lost }
