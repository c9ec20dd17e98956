-- opening.lua: parked jobs become queued again as far as the limit of their scope has room.
-- opens: scope -> when to look at it, ms; "*" to look at all that has parked jobs, a few a call.
-- Needs: ready.lua, heads.lua, allowance.lua, let_out.lua; slots, opens, limits, freed.
-- Gives: open_scopes(most).
local function finish_opening(scope, rule)
  if rule and rule.closed > now then
    redis.call('ZADD', opens, int(rule.closed), scope)
  else
    redis.call('ZREM', opens, scope)
    redis.call('HDEL', limits, 'c' .. scope)
  end
end
-- Once a call: what was let out has not started yet, so there seems to be room for it still.
local opened = {}
local function release(scope, most, flat)
  if opened[scope] then
    return 0
  end
  opened[scope] = true
  local rule, first, last = rule_of(scope), '[p' .. scope .. ',', '(p' .. scope .. '-'
  local room = rule and room_of(scope, rule) or math.huge
  local members = redis.call('ZRANGE', slots, first, last, 'BYLEX', 'LIMIT', 0, math.min(most, room) + 1)
  local out, full = 0, false
  for _, member in ipairs(members) do
    local holds = string.sub(member, #scope + 3, #scope + 3) == '0'
    full = not holds and rule and rule.concurrency and holders(scope) >= rule.concurrency
    if out >= most or out >= room or full then
      break
    end
    let_out(scope, member, rule, flat)
    out = out + 1
  end
  if out == #members or full then
    -- Nobody is left, or a slot has to be freed first.
    finish_opening(scope, rule)
  elseif out >= room then
    -- Those that were let out may never start.
    local at = open_at(scope, rule)
    redis.call('ZADD', opens, int(at > now and at or now + math.min(rule.window, 5000)), scope)
  else
    redis.call('ZADD', opens, time, scope)
  end
  return out
end
local function walk(most, flat)
  local after, out, looked = '(' .. (redis.call('HGET', limits, 'cursor') or 'p'), 0, 0
  while out < most and looked < 50 do
    local member = redis.call('ZRANGE', slots, after, '(q', 'BYLEX', 'LIMIT', 0, 1)[1]
    if not member then
      redis.call('ZREM', opens, '*')
      redis.call('HDEL', limits, 'cursor')
      return out
    end
    local scope = string.match(member, '^p([^,]*)')
    out, looked, after = out + release(scope, most - out, flat), looked + 1, '(p' .. scope .. '-'
  end
  redis.call('HSET', limits, 'cursor', string.sub(after, 2))
  return out
end
local function open_scopes(most)
  local flat, out = {}, 0
  for _, scope in ipairs(redis.call('ZRANGE', opens, '-inf', time, 'BYSCORE', 'LIMIT', 0, 50)) do
    freed[scope] = true
  end
  for scope in pairs(freed) do
    if scope == 'q' then
      finish_opening(scope, rule_of(scope))
      freed[scope] = nil
    elseif out < most then
      out = out + (scope == '*' and walk(most - out, flat) or scope ~= '*' and release(scope, most - out, flat) or 0)
      freed[scope] = nil
    end
  end
  if fair then
    keep_heads(flat)
  end
  make_ready(flat)
end
