-- unschedule.lua: a schedule goes; jobs that it has made already stay.
-- Flags: allow-oom
-- KEYS[1] schedules  KEYS[2] ticks  KEYS[3] producers
-- ARGV[1] call       as for remove.lua
-- ARGV[2] id         ARGV[3] ms: only if it is declared in code and was last declared before; else empty
-- Returns 1 | 0 where there was none, or it was declared since
local schedules, ticks, producers = KEYS[1], KEYS[2], KEYS[3]
local call, id, before = ARGV[1], ARGV[2], tonumber(ARGV[3])
--@include now
--@include types
--@include arguments
--@include answered
--@include schedule
require_arguments(3)
require_types({ schedules, producers }, { ticks })
if answer_before() then
  return 1
end
local schedule = read_schedule(redis.call('HGET', schedules, id))
local declared = schedule and tonumber(schedule.declared)
if before and not (declared and declared < before) then
  return 0
end
redis.call('ZREM', ticks, id)
-- Also one that cannot be read.
local found = redis.call('HDEL', schedules, id)
if found == 1 then
  answer('')
end
return found
