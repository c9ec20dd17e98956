-- cancel.lua: a job that waits is cancelled; one that runs is marked, and its worker told.
-- Flags: allow-oom
-- KEYS[1] jobs      KEYS[2] runs      KEYS[3] ready    KEYS[4] suspects  KEYS[5] scheduled
-- KEYS[6] retrying  KEYS[7] blocked   KEYS[8] unknown  KEYS[9] completed KEYS[10] kept
-- KEYS[11] cancelled KEYS[12] dead    KEYS[13] results KEYS[14] errors   KEYS[15] waiters
-- KEYS[16] stats    KEYS[17] events   KEYS[18] meta    KEYS[19] extras    KEYS[20] slots
-- KEYS[21] opens    KEYS[22] wake      KEYS[23] due     KEYS[24] tags      KEYS[25] edges   KEYS[26] flows
-- KEYS[27] unique   KEYS[28] followers  KEYS[29] producers
-- ARGV[1] call      as for remove.lua  ARGV[2] id
-- ARGV[3] error, the reason as a line of JSON, unlike that of any other call
-- Returns the state letter before; r: the job was only marked; c, d, x, '': nothing was changed; q also where a
-- call with this line has cancelled it before: it is sent again
-- Most are known by that alone and are not noted, since there may be many at once. Noted is a call whose job may not
-- show it: one that runs may end otherwise, and one that is kept for less than usual may be gone.
-- The message to the worker is a hint, which its next renewal makes up for. It names the lease, not the job
-- alone: read late, it must not end a later one. Asked again by another call, it is sent again.
local jobs, runs, ready, suspects, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local retrying, blocked, unknown, completed, kept = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local cancelled, dead, results, errors, waiters = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local stats, events, meta, extras, slots, opens = KEYS[16], KEYS[17], KEYS[18], KEYS[19], KEYS[20], KEYS[21]
local wake, due, tags, edges, flows = KEYS[22], KEYS[23], KEYS[24], KEYS[25], KEYS[26]
local unique, followers, producers = KEYS[27], KEYS[28], KEYS[29]
local call, id, line = ARGV[1], ARGV[2], ARGV[3]
--@include now
--@include types
--@include arguments
--@include answered
--@include state
--@include record
--@include ranked
--@include front
--@include ready
--@include fair
--@include debts
--@include peek until_due
--@include netstring
--@include tally
--@include flowing
--@include among edges
--@include outbox
--@include unique
--@include following
--@include follow
--@include evict
--@include scope
--@include depart
--@include line
--@include rest
--@include settle
--@include unknown
--@include withdraw
--@include abroad
--@include named again_as_new rejoin
--@include enqueued
--@include died_of policy
--@include revive
--@include release
require_arguments(3)
require_types({ jobs, runs, results, errors, stats, extras, producers }, { ready, suspects, scheduled, retrying, blocked, unknown, completed, kept, cancelled, dead, slots, opens, wake, due }, { events })
local before = answer_before()
if before then
  return before
end
local run = read_run(redis.call('HGET', runs, id))
if not run then
  local blob = redis.call('HGET', jobs, id)
  if not blob then
    return ''
  end
  run = new_run(string.match(blob, '^(,[^\n]*)\n') or '')
end
local state = run.state
if state == 'r' then
  if not option(run.header, 'z') then
    run.header = run.header .. ',z'
    redis.call('HSET', runs, id, write_run(run))
    add_error(id, line)
  end
  local channel = string.gsub(meta, 'meta$', 'cancel:') .. run.worker
  answer('r')
  redis.pcall('PUBLISH', channel, run.fence .. ',' .. run.nonce .. ' ' .. #id .. ':' .. id .. line)
elseif not string.find('cdx', state, 1, true) then
  if CAPS[cancelled] or (tonumber(option(run.header, 'c')) or KEEP_RESULT) < KEEP_RESULT then
    answer(state)
  end
  withdraw(id, run)
  note_debts()
  call_off(id, run, line)
  release_children(100)
  settle()
  publish()
  if left_to_send() and not paused then
    redis.call('ZADD', wake, 0, '1')
  end
elseif state == 'x' and string.sub('\n' .. (redis.call('HGET', errors, id) or ''), -#line - 1) == '\n' .. line then
  return 'q'
end
return state
