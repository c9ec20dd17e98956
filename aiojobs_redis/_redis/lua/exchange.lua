-- exchange.lua: completions in, claims out, for one worker and queue in one round trip.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] ready  KEYS[4] suspects  KEYS[5] scheduled  KEYS[6] retrying  KEYS[7] leases  KEYS[8] blocked
-- KEYS[9] completed  KEYS[10] kept  KEYS[11] cancelled  KEYS[12] dead  KEYS[13] results  KEYS[14] errors  KEYS[15] unknown  KEYS[16] wake
-- KEYS[17] due  KEYS[18] ticks  KEYS[19] ops  KEYS[20] waiters  KEYS[21] stats  KEYS[22] events  KEYS[23] meta  KEYS[24] extras
-- KEYS[25] tags  KEYS[26] edges  KEYS[27] followers  KEYS[28] limits  KEYS[29] slots  KEYS[30] opens  KEYS[31] starts  KEYS[32] flows  KEYS[33] unique
-- ARGV[1] incarnation  hex  ARGV[2] counter  integer, one higher an operation  ARGV[3] nonce  hex  ARGV[4] worker  name
-- ARGV[5] limit        free slots            ARGV[6] may_suspect  1 while none is held; "1 2000": lease of all claims, ms  ARGV[7] after  counter of the operation that is on its way before this one, 0 for none
-- ARGV[8] completions  their number  ARGV[9] tasks  their number  ARGV[10] ...  task names, then five a completion (accept.lua), then names of parked tasks to adopt, or * for any
-- Returns { OK | SEND (outbox.lua) | AGAIN | EARLY | STALE | NONE, now, next due ms or -1, next tick ms or -1, lost ids, claims (claim.lua), unreported (unreported.lua) }
-- Why one script: a claimed job must never be outside every index, and a resent call must not complete or claim twice. One that arrives before the operation that it follows writes nothing (EARLY): it would hide that one's answer.
local jobs, runs, ready, suspects, scheduled, retrying, leases, blocked, completed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local kept, cancelled, dead, results, errors, unknown, wake, due, ticks = KEYS[10], KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15], KEYS[16], KEYS[17], KEYS[18]
local ops, waiters, stats, events, meta, extras, tags, edges, followers = KEYS[19], KEYS[20], KEYS[21], KEYS[22], KEYS[23], KEYS[24], KEYS[25], KEYS[26], KEYS[27]
local limits, slots, opens, starts, flows, unique = KEYS[28], KEYS[29], KEYS[30], KEYS[31], KEYS[32], KEYS[33]
--@enclosed
local incarnation, counter, nonce, worker, completions, task_count = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[8]), tonumber(ARGV[9])
local limit, may_suspect, after = tonumber(ARGV[5]), string.sub(ARGV[6], 1, 1) == '1', tonumber(ARGV[7])
--@include now types arguments state
if not schema then
  return { 'NONE', now, -1, -1, {}, {} }
end
--@include record front ready waited peek until_due netstring tally codes
--@features include ranked fair heads lift flowing following limiting line close
flowing = flowing or naming ~= false
--@include suspect
--@where flowing include among edges
--@where following include unique follow
--@where limited include scope
--@include evict depart rest settle budget give
--@where limited include allowance uncount starts let_out opening lot precedence task_of start
--@include unstarted resend checked
local lost, status, moved = {}, 'OK', false
--@seldom new_run write_run finish add_error band take_sequence front_place place_of fresh_score make_suspect make_ready unpack_ids bury call_off
--@seldom keep_head keep_heads keep_floor take_suspect recall queue_again has_waited rank_list in_order rank_member leave_rank take_rank rank_up risen put_off unknown_member unstart park act named
local remembered = redis.call('HGET', ops, incarnation)
local last = counter_of(remembered) or 0
if after > last then
  return { 'EARLY', now, due_at, tick_at, {}, {} }
elseif counter <= last then
--@include again
  local answer, refused, claims = answer_again(counter, last, remembered)
  if answer then
    return { answer, now, due_at, tick_at, refused, claims }
  end
end
-- What is used in one place is made there, where it is needed: a function costs 0.2 us a call, and 200 names is all.
-- Of completions that brought the first limit of the queue nothing was made to keep it: that call claims nothing.
if completions > 0 then
--@include unknown unstart requeue conclude token awaited accept
  lost = accept(10 + task_count, completions, task_names(10, task_count))
  if kinds ~= '' and not limited then
    limit = 0
  end
end
local overdue = released or due_at >= 0 and due_at <= now
if overdue then
--@include enter forward
  forward(50)
end
if reclaims then
--@include reclaim
  reclaim(50)
end
if #ARGV >= adopted then
--@include adopt
  adopt(adopted, limit)
end
if flowing then
--@include abroad named again_as_new rejoin enqueued died_of policy revive outbox release
--@where naming include wait_abroad circle name_parents
  release_children(100)
  status = left_to_send() and 'SEND' or 'OK'
end
if limited then
  open_scopes(250)
end
if limit > 0 and not paused and (queue_state[9] or '') ~= '' then
--@include ageing
  if fair then
--@include behind
  end
end
--@where ranked include trade_slots trade
--@include claim
local reply, claimed = claim(limit, may_suspect, worker, nonce, tonumber(string.sub(ARGV[6], 3)))
if limited then
  keep_starts()
end
settle()
--@include drained unreported
publish(worker)
if completions > 0 or limit > 0 then
  remember(incarnation, counter, nonce, lost, claimed, remembered)
end
local untold = flowing and left_to_tell()
if not paused and (waits and (not limited or queue_room(1) > 0) or untold) then
  redis.call('ZADD', wake, 0, '1')
end
return { status, now, untold and now or (moved or overdue or released or flowing or kinds ~= '') and next_due() or due_at, tick_at, lost, reply, unreported or nil }
