-- vacate.lua: unique keys that nobody holds any more are forgotten, a page of them a call.
-- Needs: unique.lua. Gives: vacate(cursor) -> the next cursor, keys that were forgotten.
local function vacate(cursor)
  local page, stale = redis.call('HSCAN', unique, cursor, 'COUNT', 500), {}
  for i = 1, #page[2], 2 do
    if not holder_of(page[2][i]) then
      stale[#stale + 1] = page[2][i]
    end
  end
  if #stale > 0 then
    redis.call('HDEL', unique, unpack(stale))
  end
  return page[1], #stale
end
