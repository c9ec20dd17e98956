-- enqueue_flow.lua: add up to 250 jobs of which some wait for others, all or none; else as enqueue.lua.
-- KEYS[1] jobs      KEYS[2] runs    KEYS[3] ready  KEYS[4] scheduled  KEYS[5] retrying  KEYS[6] blocked
-- KEYS[7] wake      KEYS[8] due     KEYS[9] producers  KEYS[10] stats KEYS[11] events   KEYS[12] edges
-- KEYS[13] flows    KEYS[14] meta   KEYS[15] rates  KEYS[16] tags   KEYS[17] slots
-- ARGV[1] incarnation  hex, of the producer   ARGV[2] counter  integer, one higher a call
-- ARGV[3] max_length   as for enqueue.lua     ARGV[4] count    number of jobs
-- ARGV[5] rate         "jobs ms" that each key may add, empty = any
-- ARGV[6] tasks        number of task names
-- ARGV[7] ...          task names, then three a job: id; task number and options; spec; then the parents of
--                      each job with the option f, and floors of other queues (hold.lua)
-- Returns { OK, flags } with 1 a job added, 0 a job that was there; or none added, with 2 a job over its key's
-- rate, 5 one whose key has its number of jobs, 9 any other | { STALE } | { FULL, length } | { MISSING, id, parent }: there is no such parent
-- | { CIRCLE, id, parent }: that parent waits, maybe through others, for a job of that id
-- Why no allow-oom: as enqueue.lua. Why one script: nothing of a flow may start before all of it is there.
local jobs, runs, ready, scheduled, retrying, blocked = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local wake, due, producers, stats, events, edges = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local flows, meta, rates, tags, slots = KEYS[13], KEYS[14], KEYS[15], KEYS[16], KEYS[17]
local incarnation, counter, max_length = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local rated, most_of_key = ARGV[5] ~= '', nil
local count, task_count = tonumber(ARGV[4]), tonumber(ARGV[6])
--@include now
--@include types
--@include arguments
--@include moment
require_arguments(6 + (task_count or 0) + 3 * (count or 0))
local schema, paused, big = unpack(redis.call('HMGET', meta, 'schema', 'paused', 'big'))
local ranked -- Who is ranked here says so to a claim (ranked.lua); this script does not ask.
require_types({ jobs, runs, stats, flows, tags }, { ready, scheduled, retrying, blocked, wake, due, edges, rates }, { events })
if not max_length then
  max_length, most_of_key = string.match(ARGV[3], '^(%d+) (%d+)$')
  max_length, most_of_key = tonumber(max_length), tonumber(most_of_key)
  require_types({}, { slots })
end
local last, flags = string.match(redis.call('HGET', producers, incarnation) or '', '^(%d+),%d+,(%d*)')
if last and counter < tonumber(last) then
  return { 'STALE' }
end
local again = last and counter == tonumber(last)
if again and flags ~= '' then
  redis.call('HSET', producers, incarnation, ARGV[2] .. ',' .. time .. ',' .. flags)
  return { 'OK', flags }
end
--@include record ranked line front ready fair peek netstring tally open flowing among edges abroad wait_abroad hold circle header
local keep_key, stand_behind = nil, nil
--@where most_of_key include line_up
--@where rated include rate
--@include refuse known added admit
--@include growth
require_ranks(7 + task_count, count)
local length = 0
if max_length > 0 then
  length = redis.call('ZCARD', ready) + redis.call('ZCARD', scheduled) + redis.call('ZCARD', retrying) + redis.call('ZCARD', blocked)
end
local child, missing = find_parents(7 + task_count, count)
local circle = false
if not missing then
  child, missing = find_circle(7 + task_count, count)
  circle = missing
end
local over = max_length > 0 and length + count > max_length and length + growth(7 + task_count, count) > max_length
if again or missing or over then
  if schema then
    redis.call('HSET', producers, incarnation, ARGV[2] .. ',' .. time .. ',')
  end
  return missing and { circle and 'CIRCLE' or 'MISSING', child, missing } or { 'FULL', length }
end
flags = ''
for i = 1, refuse and count or 0 do
  local at = 7 + task_count + 3 * (i - 1)
  flags = flags .. (redis.call('HEXISTS', jobs, ARGV[at]) == 0 and refuse(ARGV[at + 1]) or '9')
end
if not string.find(flags, '[25]') then
  flags = ''
  if rated then
    keep_rates()
  end
end
if flags == '' then
  flags = admit(7 + task_count, count, 7)
  flow.write()
  publish()
end
if schema or not string.find(flags, '[259]') then
  redis.call('HSET', producers, incarnation, ARGV[2] .. ',' .. time .. ',' .. flags)
end
return { 'OK', flags }
