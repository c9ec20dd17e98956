-- fire.lua: a schedule's ticks become jobs, each tick once, however many workers try.
-- Flags: allow-oom
-- KEYS[1] jobs   KEYS[2] runs   KEYS[3] ready   KEYS[4] scheduled  KEYS[5] wake   KEYS[6] due
-- KEYS[7] stats  KEYS[8] events KEYS[9] schedules KEYS[10] ticks   KEYS[11] unique KEYS[12] meta
-- KEYS[13] tags  KEYS[14] followers KEYS[15] blocked KEYS[16] extras KEYS[17] slots
-- ARGV[1] id     ARGV[2] revision  ARGV[3] tick that the caller saw, ms
-- ARGV[4] next tick ms, empty for none  ARGV[5] newest tick ms of the jobs
-- ARGV[6] ticks that are given up      ARGV[7] 1 to give up also while the last job is unfinished, else 0;
--                                      "0 100": while 100 jobs of the key have not started
-- ARGV[8] limit  jobs in all, empty for any number
-- ARGV[9] task   ARGV[10] ... three a job: id; task number (1) and options; spec
-- Returns a character a job (admit.lua, dedupe.lua), 1 for one that was made; none where all are given up | -1 when the
-- schedule was replaced or another worker handled the tick
-- Why compare and set: revision and tick together name one state of the schedule; both are checked
-- and moved on in the script that makes the jobs, so a second caller, or a resent call, finds nothing.
-- Only here is known how many jobs the ticks have made, so only here a schedule ends at its limit.
local jobs, runs, ready, scheduled, wake, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local stats, events, schedules, ticks, unique, meta = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local tags, followers, blocked, extras, slots = KEYS[13], KEYS[14], KEYS[15], KEYS[16], KEYS[17]
local id, revision, tick, next_tick, last_tick = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local missed, skip_overlap, limit = tonumber(ARGV[6]), string.sub(ARGV[7], 1, 1) == '1', tonumber(ARGV[8])
local most_of_key = tonumber(string.sub(ARGV[7], 3))
--@include now
--@include types
--@include state
--@include record
--@include ranked
--@include front
--@include ready
--@include fair
--@include debts
--@include heads
--@include peek
--@include netstring
--@include tally
--@include schedule
--@include moment
--@include open
--@include header
--@include unique
--@include anew
--@include line
--@where most_of_key include line_up
--@include replace
--@include dedupe
--@include known
local flow = nil
--@include added admit
require_types({ jobs, runs, schedules, stats, unique, followers, extras }, { ready, scheduled, wake, due, blocked, slots }, { events })
local schedule = read_schedule(redis.call('HGET', schedules, id))
if not schema or not schedule or schedule.revision ~= revision or tonumber(redis.call('ZSCORE', ticks, id) or -1) ~= tick then
  return -1
end
local function unfinished()
  local job = id .. ':' .. schedule.last_tick
  local run = read_run(redis.call('HGET', runs, job))
  return redis.call('HEXISTS', jobs, job) == 1 and not (run and string.find('cdx', run.state, 1, true))
end
local count = (#ARGV - 9) / 3
if count > 0 and skip_overlap and unfinished() then
  missed, count = missed + count, 0
end
local made, flags = 0, ''
local function refuse(options)
  return most_of_key and not may_line_up(options) and '5' or nil
end
if count > 0 then
  flags = admit(10, count, 9, nil, dedupe(10, count, refuse))
  made = select(2, string.gsub(flags, '1', ''))
  missed = missed + select(2, string.gsub(flags, '5', ''))
  local newest = string.match(flags, '^[^,]*1')
  if newest then
    -- Of the others one may have found its unique key taken.
    schedule.last_tick = #newest == count and last_tick or string.sub(ARGV[7 + 3 * #newest], #id + 2)
  end
end
schedule.runs, schedule.missed = schedule.runs + made, schedule.missed + missed
redis.call('HSET', schedules, id, write_schedule(schedule))
if next_tick == '' or limit and schedule.runs >= limit then
  redis.call('ZREM', ticks, id)
else
  redis.call('ZADD', ticks, next_tick, id)
end
note('schedule', id)
publish()
return flags
