-- schedule.lua: create or replace a schedule by its id.
-- KEYS[1] schedules  KEYS[2] ticks  KEYS[3] due  KEYS[4] meta
-- ARGV[1] id         ARGV[2] revision  hex, of the definition
-- ARGV[3] expected   revision that the caller saw, empty for none
-- ARGV[4] next tick  ms, empty for none any more
-- ARGV[5] anchor     ms, the phase of an interval
-- ARGV[6] declared   1 for a schedule that the application declares in its code
-- ARGV[7] definition bytes
-- Returns 1 | 0 when another revision than the expected one is there; the caller looks again
-- The same revision changes nothing but who declared it, and when: next tick, phase and pause survive.
-- Another one keeps the pause and the last tick, whose job may still run.
-- Why no allow-oom: a full Redis takes no new schedules.
local schedules, ticks, due, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, revision, expected, next_tick = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local anchor, declared, definition = ARGV[5], ARGV[6] == '1', ARGV[7]
--@include now
--@include types
--@include arguments
--@include state
--@include peek
--@include schedule
--@include open
require_arguments(7)
require_types({ schedules }, { ticks, due })
local old = read_schedule(redis.call('HGET', schedules, id))
if (old and old.revision or '') ~= expected then
  return 0
end
open_queue()
local new = old
if not old or old.revision ~= revision then
  new = { revision = revision, paused = old and old.paused or '0', runs = 0, missed = 0, last_tick = old and old.last_tick or '', anchor = anchor }
  redis.call('ZREM', ticks, id)
  if next_tick ~= '' and new.paused == '0' then
    local head = head_of(ticks)
    redis.call('ZADD', ticks, next_tick, id)
    if not head or tonumber(next_tick) < head then
      redis.call('ZADD', due, 0, '1')
    end
  end
end
new.declared, new.definition = declared and time or '', definition
redis.call('HSET', schedules, id, write_schedule(new))
return 1
