-- ageing.lua: who has waited for so many times the level as its priority is below the highest that waits goes there, to
-- the place that it would have had if it had come with that priority.
-- Done before a claim, for the first ten of each priority: those behind them came later, but for what behind.lua looks
-- at. A job waits from its enqueue on, or from the time that it had to wait for. meta.aged: where the next claim goes on
-- when there are more priorities than one looks at.
-- Those who asked to go first (front.lua) stand before the others, the last of them at the front: of them the ten that came
-- first are looked at, and then the others as if none were there. So they hide nobody.
-- Where specs are large they are read one by one, a MiB a call or a little more, and whoever is not reached is so by
-- the next claims.
-- Needs: record.lua, ready.lua, heads.lua, waited.lua, state.lua; ready, suspects, jobs, runs. Gives: most, a page;
-- who_rises(ids, top, moment) -> by place the header of who does; top, the highest band that waits, or nil; deep, whether
-- there may be more behind the first ten of one; round, meta.aged_from.
local most, bytes, deep = big and 1 or 10, 1048576, false
local function who_rises(ids, top, moment)
  local blobs, texts, rising = redis.call('HMGET', jobs, unpack(ids)), redis.call('HMGET', runs, unpack(ids)), {}
  for i = 1, #ids do
    bytes = bytes - #(blobs[i] or '')
    local run = read_run(texts[i])
    local header = run and run.header or blobs[i] and string.match(blobs[i], '^(,[^\n]*)\n') or ''
    rising[i] = has_waited(header, top, moment) and header
  end
  return rising
end
-- Only those of one priority, in front or behind, so that later ones are found from its end on.
local function lift_first(index, found, top)
  local ids, flat, at = {}, {}, math.floor(tonumber(found[2]) / BAND)
  local arrivals = at * BAND + FRONT
  local front = tonumber(found[2]) < arrivals
  if front then
    found = redis.call('ZRANGE', index, '(' .. int(arrivals), int(at * BAND), 'BYSCORE', 'REV', 'LIMIT', 0, most, 'WITHSCORES')
  end
  for i = 1, #found, 2 do
    ids[#ids + 1] = math.floor(tonumber(found[i + 1]) / BAND) == at and found[i] or nil
  end
  local rising = who_rises(ids, top, now)
  for i, id in ipairs(ids) do
    if rising[i] then
      push(flat, int(top * BAND + tonumber(found[2 * i]) % BAND), id)
    end
  end
  if #flat > 0 then
    if fair then
      -- They leave others of their priority behind that came before them, as if they had been claimed.
      if index == ready then
        keep_heads(flat)
        if not front then
          keep_head(1023 - at, tonumber(flat[#flat - 1]) % BAND)
        end
      end
    end
    redis.call('ZADD', index, unpack(flat))
  end
  deep = deep or index == ready and #ids == most
  local again, done = front and at * BAND or arrivals, front and arrivals or (at + 1) * BAND
  return big and #flat > 0 and again or done
end
local function lift_aged()
  local head, round = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')[2], nil
  local top = head and math.floor(tonumber(head) / BAND)
  for _, index in ipairs(head and { suspects, ready } or {}) do
    local marks = index == ready and redis.call('HMGET', meta, 'aged', 'aged_from') or {}
    local aged = marks[1]
    local from, looked, more = math.max((top + 1) * BAND, tonumber(aged or 0)), 0, true
    while more and looked < 32 and bytes > 0 do
      local found = redis.call('ZRANGE', index, int(from), '+inf', 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
      more, looked = #found > 0, looked + 1
      from = more and lift_first(index, found, top) or from
    end
    if index == ready and more then
      redis.call('HSET', meta, 'aged', int(from))
    elseif aged then
      redis.call('HDEL', meta, 'aged')
    end
    round = marks[2]
  end
  return top, round
end
local top, round = lift_aged()
