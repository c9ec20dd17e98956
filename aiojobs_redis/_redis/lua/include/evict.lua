-- evict.lua: forget finished jobs, every trace of them.
-- Needs: edges.lua, follow.lua; jobs, runs, results, errors, waiters, extras. Gives: forget(ids), evict(index,
-- cutoff, cap, most).
-- An index gives up members scored at or below the cutoff and those over the cap, most at a time. What a
-- job of a flow may still read stays for another hour, and is looked at again then.
-- Most queues have nothing in extras, and one look tells.
local function forget_extras(ids)
  if redis.call('HLEN', extras) > 0 then
    for _, kind in ipairs({ 'p', 's', 'l', 'o', 'c', 'd' }) do
      local fields = {}
      for i, id in ipairs(ids) do
        fields[i] = kind .. id
      end
      redis.call('HDEL', extras, unpack(fields))
    end
  end
end
local function forget(ids)
  if #ids > 0 then
    forget_extras(ids)
    if flowing then
      drop(ids)
    end
    redis.call('HDEL', jobs, unpack(ids))
    redis.call('HDEL', runs, unpack(ids))
    redis.call('HDEL', results, unpack(ids))
    redis.call('HDEL', errors, unpack(ids))
    redis.call('HDEL', waiters, unpack(ids))
    for i = 1, following and #ids or 0 do
      let_follow(ids[i])
    end
  end
end
local function free_ones(index, cutoff, ids)
  local free = {}
  for _, id in ipairs(ids) do
    if needed(id) then
      redis.call('ZADD', index, int(cutoff + 3600000), id)
    else
      free[#free + 1] = id
    end
  end
  return free
end
local function evict(index, cutoff, cap, most)
  local over = cap and math.min(redis.call('ZCARD', index) - cap, most) or 0
  local ids
  if over > 0 then
    ids = redis.call('ZRANGE', index, 0, over - 1)
  else
    ids = redis.call('ZRANGE', index, '-inf', int(cutoff), 'BYSCORE', 'LIMIT', 0, most)
  end
  if flowing then
    ids = free_ones(index, cutoff, ids)
  end
  if #ids > 0 then
    redis.call('ZREM', index, unpack(ids))
    forget(ids)
  end
  return #ids
end
