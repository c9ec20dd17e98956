-- enqueue.lua: add up to 250 jobs, each id once, and answer a resent call as the first time.
-- KEYS[1] jobs   KEYS[2] runs   KEYS[3] ready     KEYS[4] scheduled  KEYS[5] retrying
-- KEYS[6] wake   KEYS[7] due    KEYS[8] producers KEYS[9] stats      KEYS[10] events
-- KEYS[11] meta  KEYS[12] blocked KEYS[13] rates   KEYS[14] unique   KEYS[15] tags
-- KEYS[16] followers KEYS[17] extras KEYS[18] slots
-- ARGV[1] incarnation  hex, of the producer   ARGV[2] counter  integer, one higher a call
-- ARGV[3] max_length   waiting jobs, blocked ones too, 0 = any; "0 100": 100 of each key that have not started
-- ARGV[4] waits        1 where a job may have to wait for its time, 2 where one has a unique key
-- ARGV[5] rate         "jobs ms" that each key may add, empty = any
-- ARGV[6] tasks        number of task names
-- ARGV[7] ...          task names, then three a job: id; task number and options; spec
-- Options as in the header (docs/redis.md); besides y (delay, ms), w (due, epoch ms), v (expires after, ms).
-- Returns { OK, flags } or { OK, flags, ids }: a flag a job: 1 added, 0 its id was taken, 2 over its key's
-- rate, 3 its unique key was taken, 4 it replaced the one that has the key, 5 its key has its number of jobs
-- (line.lua); ids of those that are there instead of 3 and 4, each as length:id | { STALE } | { FULL, length }
-- Why no allow-oom: a full Redis refuses this script whole, and can still be drained.
local jobs, runs, ready, scheduled, retrying = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wake, due, producers, stats, events = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local meta, blocked = KEYS[11], KEYS[12]
local rates, unique, tags, followers, extras, slots = KEYS[13], KEYS[14], KEYS[15], KEYS[16], KEYS[17], KEYS[18]
local incarnation, counter, max_length = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local rated, most_of_key, flow = ARGV[5] ~= '', not max_length and tonumber(string.match(ARGV[3], ' (%d+)$')), nil
local waits, uniques, task_count = ARGV[4] ~= '0', ARGV[4] == '2', tonumber(ARGV[6])
--@include now
--@include types
--@include moment
local schema, paused, big = unpack(redis.call('HMGET', meta, 'schema', 'paused', 'big'))
local ranked -- Who is ranked here says so to a claim (ranked.lua); this script does not ask.
-- Only what this call may write is looked at: each look takes a third of a microsecond.
require_types({ jobs, stats }, { ready, wake }, { events })
if waits then
  require_types({ runs }, { scheduled, due })
end
if most_of_key then
  max_length = tonumber(string.match(ARGV[3], '^%d+'))
  require_types({}, { slots })
end
if rated then
  require_types({}, { rates })
end
if uniques then
  require_types({ unique, followers, extras }, { blocked, slots })
end
local count = (#ARGV - 6 - task_count) / 3
local last, flags, ids = string.match(redis.call('HGET', producers, incarnation) or '', '^(%d+),%d+,(%d*),?(.*)$')
if last and counter < tonumber(last) then
  return { 'STALE' }
end
-- A refusal is remembered as well, without flags: a late first copy of it would add what was refused.
local again, length = last and counter == tonumber(last), 0
if not again or flags == '' then
  if max_length > 0 then
    length = redis.call('ZCARD', ready) + redis.call('ZCARD', scheduled) + redis.call('ZCARD', retrying) + redis.call('ZCARD', blocked)
  end
  local over = max_length > 0 and length + count > max_length
--@include record ranked line front ready
--@where tags include fair
--@include peek netstring tally open header
--@where most_of_key include line_up
--@where rated include rate
--@include refuse known
--@where uniques include unique anew debts heads replace joins dedupe
--@where over include growth
--@include added admit
  local first = 7 + task_count
  if tags then
    require_ranks(first, count)
  end
  if again or over and length + growth(first, count, joins) > max_length then
    if schema then
      redis.call('HSET', producers, incarnation, ARGV[2] .. ',' .. time .. ',')
    end
    return { 'FULL', length }
  end
  local decided = uniques and dedupe(first, count, refuse)
  flags = admit(first, count, 7, refuse, decided)
  if rated then
    keep_rates()
  end
  ids = decided and pack_ids(decided.holders, 1, #decided.holders) or ''
  publish()
end
-- Without a write of its own, a WAIT on this connection would not wait (confirmation.py).
redis.call('HSET', producers, incarnation, ARGV[2] .. ',' .. time .. ',' .. flags .. (ids ~= '' and ',' .. ids or ''))
return { 'OK', flags, ids ~= '' and ids or nil }
