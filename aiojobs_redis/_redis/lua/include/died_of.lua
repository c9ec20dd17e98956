-- died_of.lua: who ended because of a parent, and runs again with it.
-- Needs: record.lua, edges.lua, abroad.lua. Gives: died_of(parent, its letter, child), which notes it; let_be(parent,
-- children) -> how many, which ended because of another job that had its id before, and stay as they are;
-- gone_for_good(letter, child), whether a parent of that letter never runs again.
local function let_be(parent, children)
  local old, new = {}, {}
  for i, child in ipairs(children) do
    old[i] = edge(parent, 'k', child)
    push(new, 0, edge(parent, 'f', child))
  end
  if #old > 0 then
    redis.call('ZREM', edges, unpack(old))
    redis.call('ZADD', edges, unpack(new))
  end
  return #old
end
-- What is gone never runs again: what has its id later is another job. But of a flow whose gate is shut the rest may
-- be written yet.
local function gone_for_good(letter, child)
  if letter ~= '' and letter ~= 'g' then
    return false
  end
  for _, parent in ipairs(parents_of({ child })[child] or {}) do
    if is_gate(parent) and letter_abroad(parent) ~= 'c' then
      return false
    end
  end
  return true
end
local function died_of(parent, letter, child)
  killers[child] = ''
  if not gone_for_good(letter, child) then
    redis.call('ZADD', edges, 0, edge(parent, 'k', child))
    killers[child] = parent
  end
end
