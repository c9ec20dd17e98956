-- tidy.lua: what is left in edges and flows of jobs that are gone.
-- Needs: check.lua; edges, flows, jobs. Gives: tidy_edges(members), tidy_flows(fields).
local function tidy_edges(members)
  for _, member in ipairs(members) do
    local size, start = string.match(member, '^(%d+):()')
    local child = size and string.sub(member, start + size + 2) or ''
    if not string.find(member, '^[!+*]') and redis.call('HEXISTS', flows, 'p' .. child) == 0 then
      redis.call('ZREM', edges, member)
      removed = removed + 1
    end
  end
end
local function tidy_flows(fields)
  for _, field in ipairs(fields) do
    if redis.call('HEXISTS', jobs, string.sub(field, 2)) == 0 then
      redis.call('HDEL', flows, field)
      removed = removed + 1
    end
  end
end
