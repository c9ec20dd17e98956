-- standing.lua: a job as another queue is told of it. Each telling has a higher number than those before, also where
-- a queue was destroyed and made anew, so that one that comes late is known.
-- Needs: now, int; record.lua; jobs, runs, results, errors, flows.
-- Gives: next_number(); standing(id) -> generation and letter: q not ended, g gone; value_of(id, letter).
local function next_number()
  local number = int(math.max(tonumber(redis.call('HGET', flows, '#') or 0) + 1, now))
  redis.call('HSET', flows, '#', number)
  return number
end
local function standing(id)
  if string.byte(id) == 255 then
    return '1c'
  end
  local run = read_run(redis.call('HGET', runs, id))
  if run then
    return run.generation .. (string.find('cdx', run.state, 1, true) and run.state or 'q')
  end
  return redis.call('HEXISTS', jobs, id) == 1 and '1q' or '0g'
end
local function value_of(id, letter)
  if letter == 'q' or letter == 'g' then
    return ''
  end
  return redis.call('HGET', letter == 'c' and results or errors, id) or ''
end
