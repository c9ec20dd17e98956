-- rate.lua: how many jobs each key may add, as a token bucket: so many at once, and as many again evenly
-- over the window. Jobs without a key share one bucket.
-- Needs: record.lua; rates, ARGV[5]. Gives: spend(options) -> whether the job may be added; keep_rates().
-- A bucket is one number in rates, the time at which it is full again (the generic cell rate algorithm of
-- ITU-T I.371), in whole microseconds, so that sums are exact. The janitor drops full ones (sweep.lua).
local most, window = string.match(ARGV[5], '^(%d+) (%d+)$')
local step, micros, full_at = math.ceil(window * 1000 / most), now * 1000, {}
local function spend(options)
  local key = option(options, 'g') or ''
  local at = math.max(micros, full_at[key] or tonumber(redis.call('ZSCORE', rates, key) or 0))
  if at > micros + (most + 1) * step then
    -- Left by a clock that was set back, it would stay empty until the clock has caught up.
    at = micros
  end
  local enough = at + step <= micros + most * step
  full_at[key] = enough and at + step or at
  return enough
end
local function keep_rates()
  for key, at in pairs(full_at) do
    redis.call('ZADD', rates, int(at), key)
  end
end
