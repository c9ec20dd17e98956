-- precedence.lua: nobody passes who is held back with a slot of the scope, or with a better turn: they are let out by
-- the next call, where this one had no time for it, or where who was let out for the room ended instead of starting.
-- The look is spared where nobody is held back at all.
-- Needs: record.lua, ready.lua, scope.lua, lot.lua; slots. Gives: somebody(scope), whether one is held back; turn_in(scope, header, score) -> its place, or of a
-- task its turn, a number; somebody_before(scope, header, score); note_parked(scope, how, turn, score), of each that is held back.
local anybody
-- By scope the turn and the place of the first that is held back, -1 for one with a slot.
local firsts = {}
-- One that has risen waits for its key at its own priority, where those of the key that came before it wait: these did
-- not rise as they were held back. It rises again once it is let out.
local function turn_in(scope, header, score)
  return of_task(scope) and lot_turn(scope, header, score) or band(tonumber(option(header, 'p')) or 0) + tonumber(score) % BAND
end
local function first_of(scope)
  local head = 'p' .. scope .. ','
  local member = redis.call('ZRANGE', slots, '[' .. head, '(p' .. scope .. '-', 'BYLEX', 'LIMIT', 0, 1)[1]
  if not member then
    return { math.huge, math.huge }
  end
  local holds, turn = string.match(member, '^([01]),(%d+)', #head + 1)
  local place = of_task(scope) and string.match(member, '^%d+', #head + 20) or turn
  return holds == '0' and { -1, -1 } or { tonumber(turn), tonumber(place) }
end
local function somebody(scope)
  if anybody == nil then
    anybody = #redis.call('ZRANGE', slots, '[p', '(q', 'BYLEX', 'LIMIT', 0, 1) > 0
  end
  if not anybody then
    return false
  end
  firsts[scope] = firsts[scope] or first_of(scope)
  return firsts[scope][1] < math.huge
end
local function is_before(one, turn, place)
  return one[1] < turn or one[1] == turn and one[2] < place
end
local function somebody_before(scope, header, score)
  if not somebody(scope) then
    return false
  end
  local turn = turn_in(scope, header, score)
  return is_before(firsts[scope], turn, of_task(scope) and tonumber(score) or turn)
end
local function note_parked(scope, how, turn, score)
  anybody = true
  local one = how == 'b' and { -1, -1 } or { turn, tonumber(score) }
  firsts[scope] = firsts[scope] and (is_before(one, unpack(firsts[scope])) and one or firsts[scope])
end
