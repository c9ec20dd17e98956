-- unschedule.lua: a schedule goes; jobs that it has made already stay.
-- Flags: allow-oom
-- KEYS[1] schedules  KEYS[2] ticks
-- ARGV[1] id         ARGV[2] ms: only if it is declared in code and was last declared before; else empty
-- Returns 1 | 0 where there was none, or it was declared since
local schedules, ticks = KEYS[1], KEYS[2]
local id, before = ARGV[1], tonumber(ARGV[2])
--@include now
--@include types
--@include schedule
require_types({ schedules }, { ticks })
local schedule = read_schedule(redis.call('HGET', schedules, id))
local declared = schedule and tonumber(schedule.declared)
if before and not (declared and declared < before) then
  return 0
end
redis.call('ZREM', ticks, id)
return redis.call('HDEL', schedules, id)
