-- rejoin.lua: where a job stands that runs again (again_as_new.lua).
-- Needs: record.lua, fair.lua, edges.lua, abroad.lua, until_due.lua; jobs, runs, blocked. Gives: letters_of(ids) -> the letter
-- of the state of each, '' for none, g for one of another queue that is gone; stand_again(id, record, flat), which lets it
-- wait for those of its parents that are to run too, or for its time, or adds it to what is made ready, and marks it where
-- others died of it; in_circle.with(parent, id), which replay.lua sets: whether a parent that is blocked waits for the job
-- itself, and so is not waited for. It has the id of the one that the job meant, or runs again too.
-- The record is written before: of several that run again each sees all of the others.
local function letters_of(ids)
  local found = redis.call('HMGET', runs, unpack(ids))
  for i, id in ipairs(ids) do
    local letter = found[i] and string.sub(found[i], 1, 1) or redis.call('HEXISTS', jobs, id) == 1 and 'q' or ''
    local abroad = letter_abroad(id)
    -- What this script has ended is written at its end; what is asked for counts as not ended (hold.lua).
    abroad = abroad and redis.call('ZSCORE', edges, '?' .. id) and 'q' or abroad
    found[i] = abroad or ended[id] or letter
  end
  return found
end
local in_circle = { with = false }
local function rejoin(id)
  local waits, old, new = 0, {}, {}
  local parents = flowing and parents_of({ id })[id] or {}
  for i, letter in ipairs(#parents > 0 and letters_of(parents) or {}) do
    local behind = letter == 'b' and in_circle.with and in_circle.with(parents[i], id)
    local over = behind or letter == '' or string.find('cdxg', letter, 1, true)
    waits = waits + (over and 0 or 1)
    push(old, edge(parents[i], 'a', id), edge(parents[i], 'd', id))
    push(old, edge(parents[i], 'f', id), edge(parents[i], 'k', id))
    push(new, 0, edge(parents[i], over and 'd' or 'a', id))
    if not over and letter_abroad(parents[i]) then
      push(new, 0, '?' .. parents[i])
    end
  end
  if #old > 0 then
    -- Edges of one that is marked are as before its end. One that stayed would tell it again of what it counts here,
    -- and it would run before another parent has ended.
    redis.call('ZREM', edges, '*' .. id, unpack(old))
    redis.call('ZADD', edges, unpack(new))
  end
  if waits > 0 then
    redis.call('HSET', flows, 'n' .. id, waits)
  end
  return waits
end
local function stand_again(id, run, flat)
  if rejoin(id) > 0 then
    run.state = 'b'
    redis.call('ZADD', blocked, time, id)
    redis.call('HSET', runs, id, write_run(run))
  elseif (tonumber(option(run.header, 'w')) or now) > now then
    until_due(id, run, tonumber(option(run.header, 'w')))
  else
    local before = run.header
    push(flat, fresh_score(id, run), id)
    if run.header ~= before then
      redis.call('HSET', runs, id, write_run(run))
    end
  end
  if flowing and #children(id, 'k', 'l', 1) > 0 then
    redis.call('ZADD', edges, 0, '+' .. id)
  end
end
