-- drop_old.lua: what has not been seen for long is forgotten, a page of it a call.
-- Needs: workers, meta. Gives: drop_old(key, cursor, pattern, limit, in_field) -> the next cursor.
-- The time stands second in a value of ops and producers, first in one of workers, and is the
-- minute in a field of stats. With a worker goes what it has not obeyed (ask_worker.lua).
local function drop_old(key, cursor, pattern, limit, in_field)
  local page = redis.call('HSCAN', key, cursor, 'COUNT', 100)
  for i = 1, #page[2], 2 do
    local at = tonumber(string.match(in_field and page[2][i] or page[2][i + 1], pattern))
    if not at or at < limit then
      redis.call('HDEL', key, page[2][i])
      if key == workers then
        redis.call('HDEL', meta, 'word ' .. page[2][i])
      end
    end
  end
  return page[1]
end
