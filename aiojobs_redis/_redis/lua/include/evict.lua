-- evict.lua: forget finished jobs, every trace of them.
-- Needs: jobs, runs, results, errors, waiters, extras. Gives: forget(ids), evict(index, cutoff, cap, most).
-- An index gives up members scored at or below the cutoff and those over the cap, most at a time.
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
    redis.call('HDEL', jobs, unpack(ids))
    redis.call('HDEL', runs, unpack(ids))
    redis.call('HDEL', results, unpack(ids))
    redis.call('HDEL', errors, unpack(ids))
    redis.call('HDEL', waiters, unpack(ids))
  end
end
local function evict(index, cutoff, cap, most)
  local over = cap and math.min(redis.call('ZCARD', index) - cap, most) or 0
  local ids
  if over > 0 then
    ids = redis.call('ZRANGE', index, 0, over - 1)
  else
    ids = redis.call('ZRANGE', index, '-inf', int(cutoff), 'BYSCORE', 'LIMIT', 0, most)
  end
  if #ids > 0 then
    redis.call('ZREM', index, unpack(ids))
    forget(ids)
  end
  return #ids
end
