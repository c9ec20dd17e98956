-- weigh.lua: how many turns a key has while another one has one.
-- Flags: allow-oom
-- KEYS[1] limits  KEYS[2] tags  KEYS[3] meta
-- ARGV[1] key, as in the header  ARGV[2] weight, 1 to forget it
-- ARGV[3] most    what the least common multiple of all weights may be
-- Returns that multiple; where it is over the most, nothing was written
-- A turn takes the multiple divided by the weight, a whole number, so that the shares are exact and no
-- two jobs of a key have one place. Jobs that wait keep theirs.
-- How many keys have each weight is counted (n and the weight): there may be very many keys.
local limits, tags, meta = KEYS[1], KEYS[2], KEYS[3]
local field, weight, most = 'w' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
--@include now
--@include types
--@include arguments
--@include state
--@include open
require_arguments(3)
require_types({ limits, tags }, {})
local function common(one, other)
  local rest, divisor = one, other
  while rest > 0 do
    rest, divisor = divisor % rest, rest
  end
  return one * other / divisor
end
local old, fields = tonumber(redis.call('HGET', limits, field) or 1), {}
for other = 1, 100 do
  fields[other] = 'n' .. other
end
local keys, scale = redis.call('HMGET', limits, unpack(fields)), weight
for other = 2, 100 do
  if tonumber(keys[other] or 0) > (other == old and 1 or 0) then
    scale = common(scale, other)
  end
end
if scale > most then
  return scale
end
local function count(of_weight, step)
  if of_weight > 1 and redis.call('HINCRBY', limits, 'n' .. of_weight, step) < 1 then
    redis.call('HDEL', limits, 'n' .. of_weight)
  end
end
open_queue()
count(old, -1)
count(weight, 1)
if weight == 1 then
  redis.call('HDEL', limits, field)
  redis.call('HDEL', tags, 'w,' .. ARGV[1])
else
  redis.call('HSET', limits, field, string.format('%d', weight))
  redis.call('HSET', tags, 'w,' .. ARGV[1], string.format('%d', weight))
end
if scale > 1 then
  redis.call('HSET', tags, 'scale', string.format('%d', scale))
else
  redis.call('HDEL', tags, 'scale')
end
return scale
