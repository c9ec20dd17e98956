-- release.lua: the children of what has ended are told, and those that wait for nothing more may run.
-- Needs: record.lua, ready.lua, fair.lua, tally.lua, edges.lua, outbox.lua, rest.lua, policy.lua, revive.lua,
-- until_due.lua; runs, blocked.
-- Gives: tell_child(parent, letter of how it ended, child); release_children(most), fewer where those that end have many
-- parents. The caller calls settle() afterwards, which marks the parents that are not done.
-- Only the first delivery of an end finds the edge with the letter a, so that each is counted once.
local ENDS = { d = 'is dead', x = 'was cancelled' }
local function set_free(child, run)
  local due_at = tonumber(option(run.header, 'w')) or now
  redis.call('ZREM', blocked, child)
  redis.call('HDEL', flows, 'n' .. child)
  if due_at > now then
    until_due(child, run, due_at)
  else
    run.state = 'q'
    make_ready({ fresh_score(child, run), child })
    redis.call('HSET', runs, child, write_run(run))
  end
end
local function tell_child(parent, letter, child, sweeps)
  local run = not ended[child] and read_run(redis.call('HGET', runs, child))
  redis.call('ZREM', edges, edge(parent, 'a', child))
  if not run or run.state ~= 'b' then
    return 1
  end
  local policy = letter ~= 'c' and policy_of(child, run.header, parent) or 'r'
  if policy ~= 'r' and policy ~= 'n' then
    local text = called(parent) .. ', on which it depends, ' .. (ENDS[letter] or 'was removed')
    local line = cjson.encode({ type = 'parent_failed', message = text, at = now, attempt = run.failures + 1 })
    redis.call('ZREM', blocked, child)
    died_of(parent, letter, child)
    if policy == 'c' or sweeps then
      call_off(child, run, line)
    else
      tally('?', 'dead', 1)
      bury(child, run, line)
    end
    return weight(child)
  end
  redis.call('ZADD', edges, 0, edge(parent, 'd', child))
  local left = policy == 'n' and stop_waiting(child) or redis.call('HINCRBY', flows, 'n' .. child, -1)
  if left <= 0 then
    set_free(child, run)
  end
  return policy == 'n' and weight(child) or 1
end
local function tell_all(parent, letter, room)
  local taken, found = 0, children(parent, 'a', 'b', room)
  local sweeps = letter == 'x' and #found > 0 and swept(parent)
  for _, child in ipairs(found) do
    taken = taken + tell_child(parent, letter, child, sweeps)
    if taken >= room then
      break
    end
  end
  taken = taken + put_out(parent, math.max(0, room - taken))
  return math.min(taken, room)
end
-- Who runs again, or is another job of this id, has no such mark.
local function close_marked(mark)
  local id = string.sub(mark, 2)
  local written = close(id, parents_of({ id })[id] or {})
  redis.call('ZREM', edges, mark)
  return 1 + math.floor(written / 10)
end
-- It may have been replayed since it was marked, and then its children wait again.
local function tell_marked(mark, room)
  if string.sub(mark, 1, 1) == '*' then
    return close_marked(mark)
  end
  local parent, count = string.sub(mark, 2), 0
  local letter = letters_of({ parent })[1]
  if string.sub(mark, 1, 1) == '+' then
    count = revive_all(parent, letter, room)
  elseif string.find('cdxg', letter, 1, true) then
    count = tell_all(parent, letter, room)
  end
  if count < room then
    redis.call('ZREM', edges, mark)
  end
  return count + 1
end
-- First run again those that are to: whoever dies, in the same call, of what one of them was would stay dead.
local function release_children(most)
  local room, at, asked, among = flowing and most or 0, 1, #ended, flowing and edges_among(ended)
  while room > 0 do
    local parent = ended[at]
    if parent then
      local known = among and at <= asked
      local count = (not known or has_edges(parent, 'a', 'c', among)) and tell_all(parent, ended[parent], room) or 0
      told[parent] = count < room
      room, at = room - count, at + 1
    else
      local mark = left_to_tell() -- Of either kind: one look, where nothing is left.
      mark = mark and left_to_revive() or mark
      room = room - (mark and tell_marked(mark, room) or room)
    end
  end
end
