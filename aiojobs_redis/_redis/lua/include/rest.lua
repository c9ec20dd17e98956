-- rest.lua: lay finished jobs to rest in the index of their state, and tell who waits for them.
-- Needs: record.lua, line.lua, tally.lua, depart.lua, following.lua, evict.lua, and scope.lua where limited; kept, completed,
-- cancelled, dead. Gives: complete(id, record, keep, value), bury(id, run, error), call_off(id, run, error),
-- whose records and values the caller writes by settle(); waiting, waited_for, followed.
local KEEP_RESULT, KEEP_DEAD = 3600000, 2592000000
local waiting = redis.call('HLEN', waiters) > 0
-- By id what waiters and followers have, false for nothing, of those that were asked about at once (awaited.lua).
local waited_for, followed = {}, {}
local records, values, lists, gone = {}, {}, { [completed] = {}, [kept] = {} }, {}
-- A small value travels in the message, and whatever is not kept, or may have gone for newer ones by then; the
-- rest is fetched by the waiter.
local function tell(id, state, value, gone_too)
  local channels, follower = waited_for[id], followed[id]
  waited_for[id], followed[id] = false, false
  if following then
    let_follow(id, follower)
  end
  if channels == nil then
    channels = waiting and redis.call('HGET', waiters, id)
  end
  if not channels then
    return false
  end
  redis.call('HDEL', waiters, id)
  local whole = gone_too or (state == 'c' and #value <= 4096)
  local message = state .. (whole and 'v' or '-') .. #id .. ':' .. id .. (whole and value or '')
  for channel in string.gmatch(channels, '%S+') do
    -- A hint: a channel that the worker may not use must not break the script off half-way.
    redis.pcall('PUBLISH', channel, message)
  end
  return true
end
-- A result that somebody waits for stays a minute at least, unless nothing was to be kept; where
-- finished jobs are many enough to be evicted by their number, it stays just that minute.
local function complete(id, record, keep, value)
  local waited = (waiting or following) and tell(id, 'c', value, keep == 0)
  local read_later
  if flowing then
    keep, read_later = depart(id, 'c', keep)
  end
  if keep == 0 or (tight and not waited and not read_later) then
    gone[#gone + 1] = id
    return
  end
  push(records, id, record)
  if value ~= '' then
    push(values, id, value)
  end
  if keep or (waited and (tight or CAPS[completed] or redis.call('ZCARD', completed) >= CAPS.usual / 2)) then
    push(lists[kept], int(now + math.max(keep or 0, waited and 60000 or 0)), id)
  else
    push(lists[completed], time, id)
  end
end
-- A retention of its own shifts the score, so that the index stays in order of expiry.
local function bury(id, run, line)
  local keep = tonumber(option(run.header, 'k')) or KEEP_DEAD
  if limited then
    let_go(id, run)
  end
  if leave_line then
    leave_line(id, run.header)
  end
  note('dead', id)
  tell(id, 'd', line, keep == 0 or CAPS[dead])
  if flowing then
    keep = depart(id, 'd', keep)
  end
  if keep == 0 then
    gone[#gone + 1] = id
    return
  end
  add_error(id, line)
  push(records, id, finish(run, 'd'))
  redis.call('ZADD', dead, int(now + keep - KEEP_DEAD), id)
end
local function call_off(id, run, line)
  local keep = tonumber(option(run.header, 'c')) or KEEP_RESULT
  if limited then
    let_go(id, run)
  end
  if leave_line then
    leave_line(id, run.header)
  end
  note('cancelled', id)
  if line then
    add_error(id, line)
  end
  local whole = keep == 0 or CAPS[cancelled]
  tell(id, 'x', whole and redis.call('HGET', errors, id) or '', whole)
  if flowing then
    keep = depart(id, 'x', keep)
  end
  if keep == 0 then
    gone[#gone + 1] = id
    return
  end
  push(records, id, finish(run, 'x'))
  redis.call('ZADD', cancelled, int(now + keep - KEEP_RESULT), id)
end
