-- close.lua: no job of a scope starts for a while; those that would are held back until then.
-- Needs: limits, opens, meta, limited, kinds, now, int. Gives: know(kind), after which scripts look at limits of
-- that kind of scope, this one only where there were limits before; shut(scope, ms).
local function know(kind)
  if not string.find(kinds, kind, 1, true) then
    kinds = kinds .. kind
    limited = limited and kinds
    redis.call('HSET', meta, 'limits', kinds)
  end
end
local function shut(scope, ms)
  know(string.sub(scope, 1, 1))
  -- Of several that ask for it the longest counts.
  local till = math.max(now + ms, tonumber(redis.call('HGET', limits, 'c' .. scope) or 0))
  redis.call('HSET', limits, 'c' .. scope, int(till))
  redis.call('ZADD', opens, int(till), scope)
end
