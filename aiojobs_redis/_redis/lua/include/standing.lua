-- standing.lua: a job as another queue is told of it. Each telling has a higher number than those before, also where
-- a queue was destroyed and made anew, so that one that comes late is known.
-- Needs: now, int; record.lua, enqueued.lua; jobs, runs, results, errors, flows.
-- Gives: next_number(); letter_now(id) -> c, d, x, q not ended, g gone, and its record; standing(id) -> its stamp, and
-- how much was read for it; value_of(id, letter).
-- A stamp is the generation, when the job was enqueued (option e), and the letter: a job that has the id of an earlier one
-- has another time. A gate, and what is gone, has none: 1c, 0g.
local function next_number()
  local number = int(math.max(tonumber(redis.call('HGET', flows, '#') or 0) + 1, now))
  redis.call('HSET', flows, '#', number)
  return number
end
local function letter_now(id)
  local run = read_run(redis.call('HGET', runs, id))
  if run then
    return string.find('cdx', run.state, 1, true) and run.state or 'q', run
  end
  return redis.call('HEXISTS', jobs, id) == 1 and 'q' or 'g'
end
local function standing(id)
  if string.byte(id) == 255 then
    return '1c', 0
  end
  local letter, run = letter_now(id)
  if letter == 'g' then
    return '0g', 0
  end
  local since, read = enqueued(id, run)
  return (run and run.generation or '1') .. ',' .. since .. ',' .. letter, read
end
local function value_of(id, letter)
  if letter == 'q' or letter == 'g' then
    return ''
  end
  return redis.call('HGET', letter == 'c' and results or errors, id) or ''
end
