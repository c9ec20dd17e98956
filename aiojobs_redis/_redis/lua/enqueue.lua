-- enqueue.lua: add up to 250 jobs, each id once, and answer a resent call as the first time.
-- KEYS[1] jobs   KEYS[2] runs   KEYS[3] ready     KEYS[4] scheduled  KEYS[5] retrying
-- KEYS[6] wake   KEYS[7] due    KEYS[8] producers KEYS[9] stats      KEYS[10] events
-- KEYS[11] meta  KEYS[12] rates  KEYS[13] unique   KEYS[14] tags       KEYS[15] followers
-- KEYS[16] blocked KEYS[17] extras
-- ARGV[1] incarnation  hex, of the producer   ARGV[2] counter  integer, one higher a call
-- ARGV[3] max_length   waiting jobs, blocked ones too, 0 = any
-- ARGV[4] waits        1 where a job may have to wait for its time, 2 where one has a unique key
-- ARGV[5] rate         "jobs ms" that each key may add, empty = any
-- ARGV[6] tasks        number of task names
-- ARGV[7] ...          task names, then three a job: id; task number and options; spec
-- Options as in the header (docs/redis.md); besides y (delay, ms), w (due, epoch ms), v (expires after, ms).
-- Returns { OK, flags } or { OK, flags, ids }: a flag a job: 1 added, 0 its id was taken, 2 over its key's
-- rate, 3 its unique key was taken, 4 it replaced the one that has the key; ids of those that are there
-- instead of the last two, each as length:id | { STALE } | { FULL, length }
-- Why no allow-oom: a full Redis refuses this script whole, and can still be drained.
local jobs, runs, ready, scheduled, retrying = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wake, due, producers, stats, events = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local meta, rates, unique, tags, followers, blocked = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15], KEYS[16]
local extras = KEYS[17]
local incarnation, counter, max_length = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local waits, uniques, task_count = ARGV[4] ~= '0', ARGV[4] == '2', tonumber(ARGV[6])
--@include now
--@include types
--@include moment
local schema, paused, big = unpack(redis.call('HMGET', meta, 'schema', 'paused', 'big'))
-- Only what this call may write is looked at: each look takes a third of a microsecond.
require_types({ jobs, stats }, { ready, wake }, { events })
if waits then
  require_types({ runs }, { scheduled, due })
end
if ARGV[5] ~= '' then
  require_types({}, { rates })
end
if uniques then
  require_types({ unique, followers, extras }, { blocked })
end
local count = (#ARGV - 6 - task_count) / 3
local last, flags, ids = string.match(redis.call('HGET', producers, incarnation) or '', '^(%d+),%d+,(%d*),?(.*)$')
if last and counter < tonumber(last) then
  return { 'STALE' }
end
local function answer()
  -- Without a write of its own, a WAIT on this connection would not wait (confirmation.py).
  redis.call('HSET', producers, incarnation, ARGV[2] .. ',' .. time .. ',' .. flags .. (ids ~= '' and ',' .. ids or ''))
  return { 'OK', flags, ids ~= '' and ids or nil }
end
-- A refusal is remembered as well, without flags: a late first copy of it would add what was refused.
local again, length = last and counter == tonumber(last), 0
if again and flags ~= '' then
  return answer()
end
if max_length > 0 then
  length = redis.call('ZCARD', ready) + redis.call('ZCARD', scheduled) + redis.call('ZCARD', retrying) + redis.call('ZCARD', blocked)
end
if again or length + count > max_length and max_length > 0 then
  redis.call('HSET', producers, incarnation, ARGV[2] .. ',' .. time .. ',')
  return { 'FULL', length }
end
--@include record ready fair peek netstring tally open header
--@where uniques include unique replace dedupe
--@include known
local flow = nil
--@include admit
local first = 7 + task_count
local decided
if ARGV[5] == '' then
  decided = uniques and dedupe(first, count)
  flags = admit(first, count, 7, nil, decided)
else
--@include rate
  decided = uniques and dedupe(first, count, spend)
  flags = admit(first, count, 7, spend, decided)
  keep_rates()
end
ids = decided and pack_ids(decided.holders, 1, #decided.holders) or ''
publish()
return answer()
