-- tidy.lua: what is left in edges and flows of jobs that are gone.
-- Needs: check.lua; edges, flows, jobs. Gives: tidy_edges(members), tidy_flows(fields).
-- A queue that would never be told is told; one that knows of a job that is gone does not matter.
local function tidy_queue(parent, letter, queue, member)
  local run = read_run(redis.call('HGET', runs, parent))
  local gone = redis.call('HEXISTS', jobs, parent) == 0
  if letter == 'c' then
    redis.call('ZADD', edges, 0, '>' .. queue .. ',' .. parent)
  elseif letter == 'b' and (gone or run and string.find('cdx', run.state, 1, true)) then
    redis.call('ZADD', edges, 0, '!' .. parent)
  elseif letter == 'g' and gone then
    redis.call('ZREM', edges, member)
    removed = removed + 1
  end
end
local function tidy_edges(members)
  for _, member in ipairs(members) do
    local size, start = string.match(member, '^(%d+):()')
    local child = size and string.sub(member, start + size + 2) or ''
    local letter = size and string.sub(member, start + size + 1, start + size + 1)
    if letter == 'b' or letter == 'c' or letter == 'g' then
      tidy_queue(string.sub(member, start, start + size - 1), letter, child, member)
    elseif not string.find(member, '^[!+*>?]') and redis.call('HEXISTS', flows, 'p' .. child) == 0 then
      redis.call('ZREM', edges, member)
      removed = removed + 1
    end
  end
end
local function tidy_flows(fields)
  for _, field in ipairs(fields) do
    local kind, id = string.sub(field, 1, 1), string.sub(field, 2)
    if (kind == 'o' or kind == 'v') and #children(id, 'a', 'l', 1) == 0 then
      redis.call('HDEL', flows, field)
      redis.call('ZREM', edges, '?' .. id)
      removed = removed + 1
    elseif (kind == 'p' or kind == 'n') and redis.call('HEXISTS', jobs, id) == 0 then
      redis.call('HDEL', flows, field)
      removed = removed + 1
    end
  end
end
