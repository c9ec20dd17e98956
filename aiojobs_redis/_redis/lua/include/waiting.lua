-- waiting.lua: jobs that wait for others, against these others: a wait that nobody would end is ended.
-- Needs: record.lua, edges.lua; jobs, runs. Gives: look_after(id) -> whether it is known for whom the job waits;
-- looked_at, parents so far, and MOST_LOOKED_AT, of which a call has time for some more.
-- Nothing is released here: the parent is marked, and the next exchange or beat tells its children.
local MOST_LOOKED_AT, looked_at = 1000, 0
-- One that is asked for is not told of by what was known of it before.
local function mark(parent, letter)
  if not redis.call('ZSCORE', edges, '?' .. parent) then
    redis.call('ZADD', edges, 0, (letter == 'q' and '?' or '!') .. parent)
  end
end
local function look_after(id)
  local parents, waits, first = parents_of({ id })[id], 0, nil
  looked_at = looked_at + #(parents or {})
  for _, parent in ipairs(parents or {}) do
    first = first or parent
    if redis.call('ZSCORE', edges, edge(parent, 'a', id)) then
      local run = read_run(redis.call('HGET', runs, parent))
      waits = waits + 1
      local abroad = letter_abroad(parent)
      if abroad then
        mark(parent, abroad)
      elseif run and string.find('cdx', run.state, 1, true) or redis.call('HEXISTS', jobs, parent) == 0 then
        redis.call('ZADD', edges, 0, '!' .. parent)
      end
    end
  end
  if first and waits == 0 then
    redis.call('ZADD', edges, 0, edge(first, 'a', id))
    mark(first, letter_abroad(first))
    waits = 1
  end
  if first and redis.call('HGET', flows, 'n' .. id) ~= int(waits) then
    redis.call('HSET', flows, 'n' .. id, int(waits))
  end
  return first
end
