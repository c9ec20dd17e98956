-- drop_old.lua: what has not been seen for long is forgotten, a few pages of it a call.
-- Needs: workers, meta. Gives: drop_old(key, cursor, pattern, limit, in_field) -> the next cursor; behind, whether
-- there are many more: they may come faster than somebody looks, as with a call for each of many jobs (answered.lua).
-- The time stands second in a value of ops and producers, first in one of workers, and is the
-- minute in a field of stats. With a worker goes what it has not obeyed (ask_worker.lua).
local behind = false
local function drop_old(key, cursor, pattern, limit, in_field)
  for _ = 1, 10 do
    local page, old = redis.call('HSCAN', key, cursor, 'COUNT', 100), 0
    for i = 1, #page[2], 2 do
      local at = tonumber(string.match(in_field and page[2][i] or page[2][i + 1], pattern))
      if not at or at < limit then
        old = old + 1
        redis.call('HDEL', key, page[2][i])
        if key == workers then
          redis.call('HDEL', meta, 'word ' .. page[2][i])
        end
      end
    end
    cursor = page[1]
    if cursor == '0' or old < 50 then
      return cursor
    end
  end
  behind = true
  return cursor
end
