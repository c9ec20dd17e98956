-- waited.lua: who has waited for so long that it rises (ageing.lua). One that comes back to its place may stand before
-- what a round of behind.lua has looked at, and those of its key that came later behind that: it is judged like them,
-- by the round, and at once.
-- Needs: record.lua, ready.lua, state.lua; meta. Gives: has_waited(header, top, moment) -> whether it had then waited for
-- the band top; risen(score, header) -> the score of one that comes back.
local function has_waited(header, top, moment)
  local below = 1023 - (tonumber(option(header, 'p')) or 0) - top
  local since = math.max(tonumber(option(header, 'e') or '', 36) or now, tonumber(option(header, 'w')) or 0)
  return moment - since >= below * tonumber(queue_state[9])
end
local function risen(score, header)
  local round = (queue_state[9] or '') ~= '' and redis.call('HGET', meta, 'aged_from')
  local moment, goal = string.match(round or '', '^(%d+) (%d+) ')
  if goal and tonumber(score) >= (goal + 1) * BAND and has_waited(header, tonumber(goal), tonumber(moment)) then
    return int(goal * BAND + tonumber(score) % BAND)
  end
  return score
end
