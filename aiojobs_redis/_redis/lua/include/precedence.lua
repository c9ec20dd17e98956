-- precedence.lua: nobody passes who is held back with a slot of the scope, or with a better place: they are let out by
-- the next call, where this one had no time for it, or where who was let out for the room ended instead of starting.
-- The look is spared where nobody is held back at all.
-- Needs: slots. Gives: somebody_before(scope, score); note_parked(scope, how, score), of each that is held back.
local anybody
-- By scope the place of the first that is held back, -1 for one with a slot.
local firsts = {}
local function first_of(scope)
  local head = 'p' .. scope .. ','
  local member = redis.call('ZRANGE', slots, '[' .. head, '(p' .. scope .. '-', 'BYLEX', 'LIMIT', 0, 1)[1]
  if not member then
    return math.huge
  end
  local holds, place = string.match(member, '^([01]),(%d+)', #head + 1)
  return holds == '0' and -1 or tonumber(place)
end
local function somebody_before(scope, score)
  if anybody == nil then
    anybody = #redis.call('ZRANGE', slots, '[p', '(q', 'BYLEX', 'LIMIT', 0, 1) > 0
  end
  if not anybody then
    return false
  end
  firsts[scope] = firsts[scope] or first_of(scope)
  return firsts[scope] < tonumber(score)
end
local function note_parked(scope, how, score)
  anybody = true
  firsts[scope] = firsts[scope] and math.min(firsts[scope], how == 'b' and -1 or tonumber(score))
end
