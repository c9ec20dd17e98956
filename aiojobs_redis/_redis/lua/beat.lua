-- beat.lua: once a second from each worker: it is alive, and one of them leads.
-- Flags: allow-oom
-- KEYS[1] jobs       KEYS[2] runs       KEYS[3] ready    KEYS[4] suspects  KEYS[5] scheduled
-- KEYS[6] retrying   KEYS[7] leases     KEYS[8] kept     KEYS[9] completed KEYS[10] cancelled
-- KEYS[11] dead      KEYS[12] results   KEYS[13] errors  KEYS[14] unknown  KEYS[15] wake
-- KEYS[16] ticks     KEYS[17] waiters   KEYS[18] stats   KEYS[19] events   KEYS[20] workers
-- KEYS[21] meta       KEYS[22] extras     KEYS[23] tags  KEYS[24] limits    KEYS[25] slots
-- KEYS[26] opens      KEYS[27] starts     KEYS[28] blocked   KEYS[29] due   KEYS[30] edges
-- KEYS[31] flows      KEYS[32] unique     KEYS[33] followers
-- ARGV[1] incarnation  hex                     ARGV[2] worker  name
-- ARGV[3] info         what the registry shows ARGV[4] lead_ms length of the leader's lease, 0 not to lead
-- ARGV[5] after        name of a parked task after which to go on, or empty
-- ARGV[6] obeyed       the last word (ask_worker.lua) that it has obeyed, or empty
-- ARGV[7] first        1 where no beat of it was answered yet, else 0
-- Returns { OK | NONE, now, 1 for the leader, next due ms, next tick ms, sum of 1 if a claim would find
-- a job, 2 if there is something to hand over, 4 to ask for, names of parked tasks (20 at most), the word that it is
-- to obey or empty, unreported (unreported.lua) }; -1 for no time.
-- Its first beat makes the queue exist, so that it is seen before there are jobs; a later one leaves a queue alone
-- that was destroyed meanwhile.
-- The leader forwards what is due and reclaims what expired; the lease only saves doing it N times.
-- What it has left overdue is found by the exchange of whoever asks next, so its death costs a second.
local jobs, runs, ready, suspects, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local retrying, leases, kept, completed, cancelled = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local dead, results, errors, unknown, wake = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local ticks, waiters, stats, events, workers = KEYS[16], KEYS[17], KEYS[18], KEYS[19], KEYS[20]
local meta, extras, tags, limits, slots = KEYS[21], KEYS[22], KEYS[23], KEYS[24], KEYS[25]
local opens, starts, blocked, due, edges, flows = KEYS[26], KEYS[27], KEYS[28], KEYS[29], KEYS[30], KEYS[31]
local unique, followers = KEYS[32], KEYS[33]
--@enclosed
local incarnation, worker, info, lead_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
--@include now types arguments state open
require_arguments(7)
if not schema and ARGV[7] ~= '1' then
  return { 'NONE', now, 0, -1, -1, 0, {}, '' }
end
--@include record ranked front ready waited fair heads suspect peek until_due netstring tally flowing among edges outbox unique following
--@include follow evict scope depart line rest settle abroad named again_as_new rejoin enqueued died_of policy revive release enter
--@include forward reclaim limiting allowance let_out opening
require_types({ jobs, runs, results, errors, stats, workers, extras }, { ready, suspects, scheduled, retrying, leases, blocked, dead, cancelled, kept, completed, unknown, wake, ticks, due }, { events })
open_queue()
local lead = redis.call('HMGET', meta, 'leader', 'leader_until', 'word ' .. worker)
local word = lead[3] or ''
if word ~= '' and word == ARGV[6] then
  redis.call('HDEL', meta, 'word ' .. worker)
  word = ''
end
local own = lead[1] == incarnation
local leads = lead_ms > 0 and (not lead[1] or own or tonumber(lead[2]) < now or tonumber(lead[2]) > now + lead_ms)
if own and not leads then
  redis.call('HDEL', meta, 'leader', 'leader_until')
elseif leads then
  forward(100)
  reclaim(100)
  release_children(100)
  open_scopes(100)
  settle()
  publish()
  redis.call('HSET', meta, 'leader', incarnation, 'leader_until', int(now + lead_ms))
end
--@include unreported
redis.call('HSET', meta, 'beat', time)
redis.call('HSET', workers, worker, time .. ',' .. info)
local parked, after = {}, ARGV[5] == '' and '-' or '(' .. ARGV[5] .. '-'
while #parked < 20 do
  local member = redis.call('ZRANGE', unknown, after, '+', 'BYLEX', 'LIMIT', 0, 1)[1]
  if not member then
    break
  end
  parked[#parked + 1] = string.match(member, '^[^,]*')
  after = '(' .. parked[#parked] .. '-'
end
local due_at, lease_end = next_due(), soonest(leases)
local overdue = due_at >= 0 and due_at <= now or lease_end >= 0 and lease_end < now
local found = overdue or not paused and redis.call('ZCARD', ready) + redis.call('ZCARD', suspects) > 0 or left_to_tell()
local flags = (found and 1 or 0) + (left_to_send() and 2 or 0)
if flowing and redis.call('ZRANGE', edges, '[?', '(@', 'BYLEX', 'LIMIT', 0, 1)[1] then
  flags = flags + 4
end
return { 'OK', now, leads and 1 or 0, due_at, soonest(ticks), flags, parked, word, unreported or nil }
