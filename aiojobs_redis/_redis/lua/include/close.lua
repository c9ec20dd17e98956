-- close.lua: no job of a scope starts for a while; those that would are held back until then.
-- Needs: limits, opens, meta, limited, now, int. Gives: know(kind), after which scripts look at limits of that
-- kind of scope; shut(scope, ms).
local function know(kind)
  if not string.find(limited or '', kind, 1, true) then
    limited = (limited or '') .. kind
    redis.call('HSET', meta, 'limits', limited)
  end
end
local function shut(scope, ms)
  know(string.sub(scope, 1, 1))
  -- Of several that ask for it the longest counts.
  local till = math.max(now + ms, tonumber(redis.call('HGET', limits, 'c' .. scope) or 0))
  redis.call('HSET', limits, 'c' .. scope, int(till))
  redis.call('ZADD', opens, int(till), scope)
end
