-- revive.lua: a parent runs again, and so will the children that ended because of it.
-- Needs: record.lua, edges.lua, abroad.lua, enqueued.lua, died_of.lua, policy.lua, ready.lua, fair.lua, again_as_new.lua, rejoin.lua; jobs, runs,
-- blocked.
-- Gives: revive_all(parent, letter, room) -> what it took of the room, all of it where children are left;
-- left_to_revive(), the mark of one; revive_marked(most), of the parents that are marked; revived, the ids of those that
-- run again; weight(child), what one takes: all its edges are written.
-- One of which another parent has failed as well ends because of that one from now on.
local revived = {}
local function weight(child)
  return 1 + math.floor(#(parents_of({ child })[child] or {}) / 4)
end
local function other_killer(child, header, parents, than)
  for i, letter in ipairs(letters_of(parents)) do
    local failed = parents[i] ~= than and (letter == 'd' or letter == 'x' or letter == 'g')
    if failed and fatal(child, header, parents[i]) then
      return parents[i], letter
    end
  end
end
-- By both times: neither a clock that was set back nor a job that was replaced by another one (replace.lua) counts.
local function ended_before(old, blob, since)
  local begun = tonumber(string.match(blob, '^,e(%w+)') or '', 36)
  return since and begun and begun < since and (tonumber(old.finished) or since) < since
end
local function begin_with_parents(child, old, blob)
  local run, flat = begin_again(child, old, blob, true), {}
  -- Another may have its unique key by now: in this life it keeps nobody out, as one that gave it up (free.lua).
  run.header = string.gsub(run.header, ',u[^,]*', '')
  redis.call('HSET', runs, child, write_run(run))
  stand_again(child, run, flat)
  make_ready(flat)
  revived[#revived + 1] = child
end
local function revive(child, parent, since)
  local old, blob = read_run(redis.call('HGET', runs, child)), redis.call('HGET', jobs, child)
  if not old or not blob or ended[child] or not string.find('dx', old.state, 1, true) then
    redis.call('ZREM', edges, edge(parent, 'k', child))
    return 1
  end
  local parents = parents_of({ child })[child] or { parent }
  local killer, letter = other_killer(child, string.match(blob, '^[^\n]*'), parents, parent)
  if ended_before(old, blob, since) or killer and gone_for_good(letter, child) then
    let_be(parent, { child })
  elseif killer then
    redis.call('ZREM', edges, edge(parent, 'k', child), edge(killer, 'f', child))
    redis.call('ZADD', edges, 0, edge(parent, 'f', child), 0, edge(killer, 'k', child))
  else
    begin_with_parents(child, old, blob)
  end
  return weight(child) + math.floor(#blob / 40000)
end
local function revive_all(parent, letter, room)
  local failed, taken = letter == '' or string.find('dxg', letter, 1, true), 0
  local found, since = failed and {} or children(parent, 'k', 'l', room), nil
  if #found > 0 and not letter_abroad(parent) then
    local text, read = enqueued(parent, read_run(redis.call('HGET', runs, parent)))
    since, taken = tonumber(text, 36), math.floor(read / 40000)
  end
  for _, child in ipairs(found) do
    taken = taken + revive(child, parent, since)
    if taken >= room then
      break
    end
  end
  return math.min(taken, room)
end
local function left_to_revive()
  return redis.call('ZRANGE', edges, '[+', '(,', 'BYLEX', 'LIMIT', 0, 1)[1]
end
local function revive_marked(most)
  while most > 0 do
    local mark = left_to_revive()
    if not mark then
      break
    end
    local parent = string.sub(mark, 2)
    local taken = revive_all(parent, letters_of({ parent })[1], most)
    if taken < most then
      redis.call('ZREM', edges, mark)
    end
    most = most - taken - 1
  end
end
