-- settle.lua: what a script laid to rest is written at once, and as much as is over a number or a retention goes.
-- Needs: rest.lua, flowing.lua, evict.lua, edges.lua where flowing, scope.lua where limited; runs, results. Gives: settle().
local function settle()
  if #records > 0 then
    redis.call('HSET', runs, unpack(records))
  end
  if #values > 0 then
    redis.call('HSET', results, unpack(values))
  end
  if flowing then
    mark_left(ended)
    close_edges(ended)
  end
  for index, list in pairs(lists) do
    if #list > 0 then
      redis.call('ZADD', index, unpack(list))
      sizes[index] = sizes[index] and sizes[index] + #list / 2
      evict(index, index == kept and now or now - KEEP_RESULT, #list + 10)
    end
  end
  for _, index in ipairs(queue_state[8] and { cancelled, dead } or {}) do
    evict(index, now - (index == dead and KEEP_DEAD or KEEP_RESULT), 50)
  end
  forget(gone)
  if limited then
    tell_opens()
  end
end
