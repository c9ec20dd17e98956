-- peek.lua: when something is next to be done, without doing it.
-- Needs: int. Gives: head_of(index) -> score or nil, soonest(index, other) -> ms or -1.
local function head_of(index)
  return tonumber(redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')[2])
end
local function soonest(index, other)
  local first, second = head_of(index), other and head_of(other)
  return math.min(first or second or -1, second or first or -1)
end
