-- named.lua: the parents that a job has named itself while it ran (name_parents.lua), behind those that it was enqueued
-- with. Option P of its header is the number of these, and is there from the first time that it named one.
-- A job that completed starts anew, without what its last generation left, and so without these. One that died goes on
-- with its steps, which may have made them, and with them: it may have died of one.
-- Needs: record.lua, netstring.lua, flowing.lua, edges.lua. Gives: forget_named(id, header) -> the header without them.
local function forget_named(id, header)
  local first = flowing and tonumber(option(header, 'P'))
  if not first then
    return header
  end
  local parents = parents_of({ id })[id] or {}
  unlink(id, parents, first + 1)
  if first > 0 and #parents > 0 then
    redis.call('HSET', flows, 'p' .. id, pack_ids(parents, 1, math.min(first, #parents)))
  else
    redis.call('HDEL', flows, 'p' .. id)
  end
  return (string.gsub(header, ',P%d+', ''))
end
