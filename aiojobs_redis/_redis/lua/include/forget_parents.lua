-- forget_parents.lua: a job that waits for others waits for some of them no more, and knows nothing of them.
-- Needs: int, record.lua, netstring.lua, edges.lua, abroad.lua, release.lua; jobs, runs, flows. Gives: waits_for_parents(id, run), of a job that is
-- blocked whether for that, and not for a limit, a worker that knows its task or one like it;
-- forget_parents(id, run, gone), a set of names, of which those that are no parents of the job do not matter: it goes on
-- where it waits for nothing more. A gate is never one of them.
-- What stands in the header by the place of a parent moves up: the letters of option f, of all but gates, and the number of
-- those that were there before the job named more, P. In jobs too: parents.lua and a replay go by that.
local function waits_for_parents(id, run)
  return run and run.state == 'b' and redis.call('HEXISTS', flows, 'n' .. id) == 1
end
local function without_places(header, places, before)
  header = string.gsub(header, ',f(%a)(%a+)', function(usual, letters)
    for i = #places, 1, -1 do
      letters = string.sub(letters, 1, places[i] - 1) .. string.sub(letters, places[i] + 1)
    end
    return ',f' .. usual .. letters
  end)
  return (string.gsub(header, ',P(%d+)', function(count)
    return ',P' .. int(count - before)
  end))
end
local function forget_parents(id, run, gone)
  local named_from, left, places, place, before, waited = tonumber(option(run.header, 'P')) or 0, {}, {}, 0, 0, 0
  for i, parent in ipairs(parents_of({ id })[id] or {}) do
    place = place + (is_gate(parent) and 0 or 1)
    if gone[parent] then
      places[#places + 1] = place
      before = before + (i <= named_from and 1 or 0)
      waited = waited + (redis.call('ZSCORE', edges, edge(parent, 'a', id)) and 1 or 0)
      unlink(id, { parent }, 1)
    else
      left[#left + 1] = parent
    end
  end
  if #places == 0 then
    return
  end
  if #left > 0 then
    redis.call('HSET', flows, 'p' .. id, pack_ids(left, 1, #left))
  else
    redis.call('HDEL', flows, 'p' .. id)
  end
  local header, spec = string.match(redis.call('HGET', jobs, id) or '', '^(,[^\n]*)(\n.*)$')
  local shorter = without_places(header or '', places, before)
  if header and shorter ~= header then
    redis.call('HSET', jobs, id, shorter .. spec)
  end
  run.header = without_places(run.header, places, before)
  redis.call('HSET', runs, id, write_run(run))
  if redis.call('HINCRBY', flows, 'n' .. id, int(-waited)) <= 0 then
    set_free(id, run)
  end
end
