-- pause_schedule.lua: a schedule stops ticking, or goes on from its next time.
-- Flags: allow-oom
-- KEYS[1] schedules  KEYS[2] ticks  KEYS[3] due
-- ARGV[1] id         ARGV[2] revision that the caller saw
-- ARGV[3] 1 to pause, 0 to resume   ARGV[4] next tick ms on resuming, empty for none
-- Returns 1 | 0 when the schedule is not there or has another revision
local schedules, ticks, due = KEYS[1], KEYS[2], KEYS[3]
local id, revision, pause, next_tick = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
--@include now
--@include types
--@include peek
--@include schedule
require_types({ schedules }, { ticks, due })
local schedule = read_schedule(redis.call('HGET', schedules, id))
if not schedule or schedule.revision ~= revision then
  return 0
end
if schedule.paused == pause then
  return 1
end
schedule.paused = pause
redis.call('HSET', schedules, id, write_schedule(schedule))
redis.call('ZREM', ticks, id)
if pause == '0' and next_tick ~= '' then
  local head = head_of(ticks)
  redis.call('ZADD', ticks, next_tick, id)
  if not head or tonumber(next_tick) < head then
    redis.call('ZADD', due, 0, '1')
  end
end
return 1
