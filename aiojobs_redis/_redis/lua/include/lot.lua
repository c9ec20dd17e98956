-- lot.lua: the turn of a job among those that the limit of a task holds back: keys take turns there as in ready.
-- Places in ready say little there: other tasks move its head on, past all that is held back, so a key that comes later
-- would stand behind every job of the others.
-- In a priority, a turn is behind the last one that the key has in the lot, or behind the first one of all, whichever is
-- further; it is no further than the place in ready, which it is where nobody is held back. Jobs of a key keep the order
-- of their places: one that comes back has the turn of the next of them. So the first turn of a lot never goes back.
-- Who asked to go first (front.lua) has its place as its turn, before all these, and none of them is found by it.
--
--   held back          the turn is found, and stays in the header (option t) where it is another than the place
--   let out            the header has the turn in any case: it is the same where the job cannot start after all
--   starts, ends, waits for something else, gets another priority      the turn goes
--
-- Needs: record.lua, ready.lua, fair.lua, scope.lua; slots, tags. Gives: lot_turn(scope, header, score) -> number.
local function stride_of(key)
  local found = key ~= '' and redis.call('HMGET', tags, 'scale', 'w,' .. key) or {}
  return found[1] and math.floor(tonumber(found[1]) / tonumber(found[2] or 1)) or 1
end
local function lot_turn(scope, header, score)
  local before, place = option(header, 't'), tonumber(score)
  if before or not fair or place % BAND < FRONT then
    return tonumber(before) or place
  end
  local key, first_place = option(header, 'g') or '', math.floor(place / BAND) * BAND
  local lot, own = 'p' .. scope .. ',1,', 'u' .. scope .. ',' .. key .. ','
  local from, to = padded(int(first_place + FRONT)), padded(int(first_place + BAND))
  local first = redis.call('ZRANGE', slots, '[' .. lot .. from, '(' .. lot .. to, 'BYLEX', 'LIMIT', 0, 1)[1]
  if not first then
    return place
  end
  local head = tonumber(string.sub(first, #lot + 1, #lot + 16))
  local last = redis.call('ZRANGE', slots, '(' .. own .. to, '[' .. own .. from, 'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
  local its_place, turn = string.match(last or '', '^(%d+),(%d+)', #own + 1)
  if last and tonumber(its_place) > place then
    local behind = redis.call('ZRANGE', slots, '[' .. own .. padded(score), '(' .. own .. to, 'BYLEX', 'LIMIT', 0, 1)[1]
    return tonumber(string.match(behind, '^%d+,(%d+)', #own + 1))
  end
  return math.min(math.max(place, head), math.max(head, tonumber(turn) or 0) + stride_of(key))
end
