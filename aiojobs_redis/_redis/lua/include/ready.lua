-- ready.lua: the one way into ready, which also rings for an idle worker.
-- Needs: front.lua, ready, wake, meta, int, paused (text or false). Gives: band, take_sequence, place_of(run), make_ready.
-- Score = (1023 - priority) * 2^42 + place: one ZPOPMIN is strict priority. A place is an arrival sequence, from FRONT on, which
-- is exact FIFO; before that is who asked to go first (front.lua).
local BAND, FRONT = 4398046511104, 1099511627776
local function band(priority)
  return (1023 - priority) * BAND
end
local function take_sequence(count)
  local last = redis.call('HINCRBY', meta, 'sequence', count)
  return math.max(0, math.min(last, BAND - 1) - count + 1)
end
-- Where a job stood before; a record that was damaged does not tell, and a write that is refused
-- half-way would take the others along.
local function place_of(run)
  return run.score ~= '' and run.score
    or int(band(tonumber(option(run.header, 'p')) or 0) + (front_place(run.header) or take_sequence(1)))
end
local function make_ready(scores_and_ids)
  if #scores_and_ids == 0 then
    return
  end
  redis.call('ZADD', ready, unpack(scores_and_ids))
  if not paused then
    redis.call('ZADD', wake, 0, '1')
  end
end
