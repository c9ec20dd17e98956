-- peek.lua: when something is next to be done, without doing it.
-- Needs: int. Gives: head_of(index) -> score or nil, soonest(index, ...) -> ms or -1.
local function head_of(index)
  return tonumber(redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')[2])
end
local function soonest(...)
  local first
  for _, index in ipairs({ ... }) do
    local head = head_of(index)
    if head and (not first or head < first) then
      first = head
    end
  end
  return first or -1
end
