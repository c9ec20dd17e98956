-- metrics.lua: what was counted in the last minutes, by task.
-- Flags: allow-oom
-- KEYS[1] stats
-- ARGV[1] minutes  how many, the running one included  ARGV[2] first  minute from which to go on, 0 at first
-- Returns { first minute, minute from which to go on or -1, the running minute, nine a minute and task: the minute;
-- the task; enqueued, completed, failed, dead, snoozed, cancelled, ms, each '' for none; with no task, the first of
-- them is the longest wait of a queued job in ms, as sweep.lua has seen it in that minute }
-- The names of the tasks of a minute stand in the field that is the minute alone (tally.lua).
local stats = KEYS[1]
--@include now
local WHAT = { 'enqueued', 'completed', 'failed', 'dead', 'snoozed', 'cancelled', 'ms' }
local last = math.floor(now / 60000)
local first = tonumber(ARGV[2]) > 0 and tonumber(ARGV[2]) or last - tonumber(ARGV[1]) + 1
local flat = {}
for minute = first, last do
  -- A call of 5 ms at most: 500 rows, and 500 minutes of which there are none.
  if #flat >= 4500 or minute >= first + 500 then
    return { first, minute, last, flat }
  end
  local tasks, sample = unpack(redis.call('HMGET', stats, int(minute), int(minute) .. ',,oldest'))
  if sample then
    flat[#flat + 1], flat[#flat + 2] = minute, ''
    for i in ipairs(WHAT) do
      flat[#flat + 1] = i == 1 and sample or ''
    end
  end
  for task in string.gmatch(tasks or '', '[^,]+') do
    local fields = {}
    for i, what in ipairs(WHAT) do
      fields[i] = int(minute) .. ',' .. task .. ',' .. what
    end
    flat[#flat + 1], flat[#flat + 2] = minute, task
    for _, number in ipairs(redis.call('HMGET', stats, unpack(fields))) do
      flat[#flat + 1] = number or ''
    end
  end
end
return { first, -1, last, flat }
