-- allowance.lua: what the limits of a scope allow now.
-- limits: scope, with * for every key -> "concurrency,count,window ms", each may be empty; "c<scope>" -> closed until, ms.
-- starts: scope -> "gone,window,first tick:count +tick:count ..." in ticks of a 64th of the window; gone is when
-- the last start leaves it. A tick counts until all of it has left, so no window of that length has too many.
-- Needs: limits, slots, starts, opens, leases, now, int. Gives: rule_of(scope), open_at(scope, rule),
-- room_of(scope, rule), count_start(scope, rule), keep_starts(), queue_room(limit), holders(scope), counts.
local rules, windows, counts, every = {}, {}, {}, {}
local function rule_of(scope)
  local rule = rules[scope]
  if rule == nil then
    local found = redis.call('HMGET', limits, scope, 'c' .. scope)
    local text, closed = found[1], tonumber(found[2] or 0)
    local kind = not text and (string.match(scope, '^k') or string.match(scope, '^b[^/]*/'))
    if kind then
      every[kind] = every[kind] or redis.call('HGET', limits, kind .. '*')
      text = every[kind]
    end
    local concurrency, count, window = string.match(text or ',,', '^(%d*),(%d*),(%d*)$')
    rule = (text or closed > now) and { concurrency = tonumber(concurrency), count = tonumber(count), window = tonumber(window), closed = closed }
    rules[scope] = rule
  end
  return rule
end
local function window_of(scope, rule)
  local found = windows[scope]
  if not found then
    found = { rule = rule, total = 0, ticks = {}, size = math.max(1, math.ceil(rule.window / 64)) }
    local _, length, text = string.match(redis.call('HGET', starts, scope) or '', '^(%d+),(%d+),(.*)$')
    local size = math.max(1, math.ceil(tonumber(length or 0) / 64))
    local last, current, tick = math.floor((now - rule.window) / found.size), math.floor(now / found.size), 0
    for step, number in string.gmatch(text or '', '(%d+):(%d+)') do
      tick = tick + step
      -- Another window was in force. Where the clock was set back by more than a window, it begins anew.
      local at = size == found.size and tick or math.floor(((tick + 1) * size - 1) / found.size)
      if at >= last and at <= current + 64 then
        found.ticks[#found.ticks + 1] = { at, tonumber(number) }
        found.total = found.total + number
      end
    end
    windows[scope] = found
  end
  return found
end
-- When one more may start, as far as the window and a pause go.
local function open_at(scope, rule)
  local at = rule.closed
  if rule.count then
    local window = window_of(scope, rule)
    local over, i = window.total - rule.count + 1, 1
    while over > 0 and window.ticks[i] do
      over = over - window.ticks[i][2]
      at = math.max(at, (window.ticks[i][1] + 1) * window.size + rule.window)
      i = i + 1
    end
  end
  return at
end
local function room_of(scope, rule)
  if open_at(scope, rule) > now then
    return 0
  end
  return rule.count and rule.count - window_of(scope, rule).total or math.huge
end
local function count_start(scope, rule)
  local window = window_of(scope, rule)
  local tick, last = math.floor(now / window.size), window.ticks[#window.ticks]
  if last and last[1] >= tick then
    last[2] = last[2] + 1
  else
    window.ticks[#window.ticks + 1] = { tick, 1 }
  end
  window.total, window.new = window.total + 1, true
end
local function holders(scope)
  counts[scope] = counts[scope] or redis.call('ZLEXCOUNT', slots, '[h' .. scope .. ',', '(h' .. scope .. '-')
  return counts[scope]
end
local function queue_room(limit)
  local rule = rule_of('q')
  if not rule then
    return limit
  end
  local room = rule.concurrency and rule.concurrency - redis.call('ZCARD', leases) or limit
  return math.max(0, math.min(limit, room, room_of('q', rule)))
end
