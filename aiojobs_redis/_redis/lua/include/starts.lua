-- starts.lua: write down what has started in the windows of rates.
-- Needs: allowance.lua; starts, opens. Gives: keep_starts(); drop_gone(most), of so many scopes at random.
-- For each new scope two others are looked at, so that keys that come once do not pile up; those that came
-- last go with the rounds of the janitor.
local function drop_gone(most)
  local there, gone = redis.call('EXISTS', starts) == 1, {}
  local found = there and redis.call('HRANDFIELD', starts, most, 'WITHVALUES') or {}
  for i = 1, #found, 2 do
    if tonumber(string.match(found[i + 1], '^%d+') or 0) <= now then
      gone[#gone + 1] = found[i]
    end
  end
  if #gone > 0 then
    redis.call('HDEL', starts, unpack(gone))
  end
end
local function keep_starts()
  local new = 0
  for scope, window in pairs(windows) do
    if window.new then
      local steps, tick = {}, 0
      for i, each in ipairs(window.ticks) do
        steps[i] = int(each[1] - tick) .. ':' .. int(each[2])
        tick = each[1]
      end
      if #steps == 0 then
        redis.call('HDEL', starts, scope)
      else
        local gone = int((tick + 1) * window.size + window.rule.window)
        local text = gone .. ',' .. int(window.rule.window) .. ',' .. table.concat(steps, ' ')
        new = new + redis.call('HSET', starts, scope, text)
      end
      local at = open_at(scope, window.rule)
      if at > now then
        -- Of another scope than the queue it is there already where a job waits for it.
        redis.call('ZADD', opens, scope == 'q' and 'CH' or 'XX', int(at), scope)
      end
    end
  end
  if new > 0 then
    drop_gone(math.min(2 * new, 500))
  end
end
