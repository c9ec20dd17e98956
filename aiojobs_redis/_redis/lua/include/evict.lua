-- evict.lua: forget finished jobs, every trace of them.
-- Needs: edges.lua, follow.lua; queue_state; jobs, runs, results, errors, waiters, extras, the indexes of what
-- has ended.
-- Gives: forget(ids), CAPS (by index the number that was set, or nil; usual), evict(index, cutoff, most); sizes, by key
-- how many there are, where the script has asked already.
-- Of each state 100,000 are kept, or what keep.lua has set; what is kept for ever does not count. Where a
-- number was set, completed jobs of both indexes count together, those of the usual retention go first.
local sizes = {}
local CAPS = { usual = 100000 }
if queue_state[8] then
  local most_completed, most_cancelled, most_dead = string.match(queue_state[8], '^(%d*),(%d*),(%d*)$')
  CAPS[completed], CAPS[cancelled], CAPS[dead] = tonumber(most_completed or ''), tonumber(most_cancelled or ''), tonumber(most_dead or '')
end
local function forget_extras(ids)
  for _, kind in ipairs({ 'p', 's', 'l', 'o', 'c', 'd' }) do
    local fields = {}
    for i, id in ipairs(ids) do
      fields[i] = kind .. id
    end
    redis.call('HDEL', extras, unpack(fields))
  end
end
local function forget(ids)
  if #ids > 0 then
    -- Most queues have nothing in extras.
    if (sizes[extras] or redis.call('HLEN', extras)) > 0 then
      forget_extras(ids)
    end
    if flowing then
      drop(ids)
    end
    redis.call('HDEL', jobs, unpack(ids))
    redis.call('HDEL', runs, unpack(ids))
    redis.call('HDEL', results, unpack(ids))
    redis.call('HDEL', errors, unpack(ids))
    redis.call('HDEL', waiters, unpack(ids))
    if following then
      for i, text in ipairs(redis.call('HMGET', followers, unpack(ids))) do
        let_follow(ids[i], text)
      end
    end
  end
end
-- Also how many were looked at: with each its edges go, of which a call has time for some.
local function free_ones(index, cutoff, ids)
  local free, room, among, parents = {}, MOST_EDGES, edges_among(ids), #ids > 0 and parents_of(ids) or {}
  for i, id in ipairs(ids) do
    if room <= 0 then
      return free, i - 1
    elseif needed(id, among) then
      redis.call('ZADD', index, int(cutoff + 3600000), id)
    else
      free[#free + 1] = id
      room = room - #(parents[id] or {})
    end
  end
  return free, #ids
end
-- An index gives up what is over its number, else members scored at or below the cutoff, most at a time. What
-- a job of a flow may still read stays for another hour, and is looked at again then. Returns how many went, or
-- most where there are more to be looked at.
local function evict(index, cutoff, most)
  local over, together = 0, CAPS[completed]
  local ids
  -- What goes within a minute anyway is not counted: somebody may be about to read it.
  local lasting = '(' .. int(now + 60000)
  if index == kept and together then
    over = redis.call('ZCOUNT', kept, lasting, '(1000000000000000') - together
  elseif index == completed then
    local others = together and redis.call('ZCOUNT', kept, lasting, '(1000000000000000') or 0
    over = (sizes[completed] or redis.call('ZCARD', completed)) + others - (together or CAPS.usual)
  elseif index ~= kept then
    over = redis.call('ZCOUNT', index, '-inf', '(1000000000000000') - (CAPS[index] or CAPS.usual)
  end
  if over > 0 and index ~= kept then
    ids = redis.call('ZRANGE', index, 0, math.min(over, most) - 1)
  else
    ids = redis.call('ZRANGE', index, '-inf', int(cutoff), 'BYSCORE', 'LIMIT', 0, most)
    if over > 0 and #ids < most then
      for _, id in ipairs(redis.call('ZRANGE', kept, lasting, '+inf', 'BYSCORE', 'LIMIT', 0, math.min(over, most - #ids))) do
        ids[#ids + 1] = id
      end
    end
  end
  local found, looked = #ids, #ids
  if flowing then
    ids, looked = free_ones(index, cutoff, ids)
  end
  if #ids > 0 then
    redis.call('ZREM', index, unpack(ids))
    forget(ids)
  end
  return looked < found and most or #ids
end
