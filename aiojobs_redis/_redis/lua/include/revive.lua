-- revive.lua: a parent runs again, and so will the children that ended because of it.
-- Needs: record.lua, edges.lua, rest.lua, ready.lua, fair.lua, again_as_new.lua; jobs, runs, blocked.
-- Gives: letter_of(id) -> the letter of its state, '' for none; revive_all(parent, letter, room) -> children
-- looked at. A child of which another parent has failed as well ends because of that one from now on.
local function letter_of(id)
  local run = read_run(redis.call('HGET', runs, id))
  return ended[id] or run and run.state or redis.call('HEXISTS', jobs, id) == 1 and 'q' or ''
end
local function other_killer(child, run, than)
  for _, parent in ipairs(option(run.header, 'f') ~= 'r' and parents_of({ child })[child] or {}) do
    local letter = letter_of(parent)
    if parent ~= than and (letter == 'd' or letter == 'x') then
      return parent
    end
  end
end
local function revive(child, parent)
  local old, blob = read_run(redis.call('HGET', runs, child)), redis.call('HGET', jobs, child)
  if not old or not blob or ended[child] or not string.find('dx', old.state, 1, true) then
    redis.call('ZREM', edges, edge(parent, 'k', child))
    return
  end
  local killer = other_killer(child, old, parent)
  if killer then
    redis.call('ZREM', edges, edge(parent, 'k', child), edge(killer, 'f', child))
    redis.call('ZADD', edges, 0, edge(parent, 'f', child), 0, edge(killer, 'k', child))
    return
  end
  local run = begin_again(child, old, blob)
  if rejoin(child) > 0 then
    run.state = 'b'
    redis.call('ZADD', blocked, time, child)
  else
    make_ready({ fresh_score(run.header), child })
  end
  redis.call('HSET', runs, child, write_run(run))
  if #children(child, 'k', 'l', 1) > 0 then
    redis.call('ZADD', edges, 0, '+' .. child)
  end
end
local function revive_all(parent, letter, room)
  local failed = letter == 'd' or letter == 'x' or letter == ''
  local found = failed and {} or children(parent, 'k', 'l', room)
  for _, child in ipairs(found) do
    revive(child, parent)
  end
  return #found
end
