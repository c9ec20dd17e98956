-- plain.lua: what takes the place of fair, heads, lift, flowing, following, limiting, line and close in a queue that uses none
-- of it; one that does is told so before anything is written (exchange_plain.lua).
-- A job with a key leaves a field in tags from its enqueue on, one of a flow a member in edges.
-- Needs: state.lua, record.lua, front.lua, ready.lua, peek.lua, codes.lua; tags, edges, followers. Gives: what they give.
if limited or closes or naming or redis.call('EXISTS', tags, edges, followers) > 0 then
  return { 'WHOLE', now, -1, -1, {}, {} }
end
local flowing, following, released, turns, shut = false, false, false, nil, nil
local function next_due()
  return soonest(scheduled, retrying)
end
local function fresh_score(_, run)
  return int(band(tonumber(option(run.header, 'p')) or 0) + (front_place(run.header) or take_sequence(1)))
end
