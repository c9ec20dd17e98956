-- behind.lua: who has waited for long enough behind the first ten of its priority, where keys take turns (ageing.lua).
-- There jobs that came later may stand before it: the first job of each new key goes before the third of another.
-- A claim looks at ten more, behind those that the claim before it has looked at, round all that waits below the highest.
-- meta.aged_from: "moment top score id" of a round: when it began, the highest band that waited then, and the last that
-- was looked at and stays. All are judged by that moment, and rise to that band. So of two of a key the one that came
-- first rises first, as it stands before the other, and has waited for longer. By the clock it might be too young yet,
-- and the other, looked at a claim later, be old enough.
-- What happens in between:
--   one comes                     behind all of its key
--   one comes back to its place   before those of its key that are still to be looked at: it is judged at once (waited.lua)
--   one fails, or is moved        stands behind later ones of its key, and its old wait lets it pass these again
--   the last one looked at goes   all with its score are looked at again: many may have one
--   the highest changes           it is for the next round: what has risen rises further by then, or by the first ten
--   the level changes             a round begins anew (age.lua): the rest of it alone would be judged by the new one
-- The head stays where it is. Most of those that are passed came later and wait on; were the head moved to this place,
-- each new key would stand behind all of them, a hundred thousand of one key if need be. What was claimed out of turn
-- may come back, and only its own key must not pass it: that one stays behind it (keep_floor), as behind a suspect.
-- Needs: ageing.lua, heads.lua; ready, meta. Gives nothing.
local function page_behind(goal, score, id)
  if not score then
    return redis.call('ZRANGE', ready, int((goal + 1) * BAND), '+inf', 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
  end
  local rank = tonumber(redis.call('ZSCORE', ready, id) or nil) == tonumber(score) and redis.call('ZRANK', ready, id)
  local from = rank and rank + 1 or redis.call('ZCOUNT', ready, '-inf', '(' .. score)
  return redis.call('ZRANGE', ready, from, from + most - 1, 'WITHSCORES')
end
local function lift_page(page, goal, moment)
  local ids, flat, last = {}, {}, nil
  for i = 1, #page, 2 do
    ids[#ids + 1] = page[i]
  end
  local rising = who_rises(ids, goal, moment)
  for i, id in ipairs(ids) do
    local score = tonumber(page[2 * i])
    if rising[i] then
      push(flat, int(goal * BAND + score % BAND), id)
      keep_floor(rising[i], score)
    else
      last = int(score) .. ' ' .. id
    end
  end
  if #flat > 0 then
    keep_heads(flat)
    redis.call('ZADD', ready, unpack(flat))
  end
  return last
end
local function lift_behind()
  local moment, goal, score, id = string.match(round or '', '^(%d+) (%d+) (%d+) (.*)$')
  moment, goal = tonumber(moment or now), tonumber(goal or top)
  local page = page_behind(goal, score, id)
  local last = #page > 0 and lift_page(page, goal, moment)
  if #page < 2 * most and round then
    redis.call('HDEL', meta, 'aged_from')
  elseif #page == 2 * most and last then
    redis.call('HSET', meta, 'aged_from', int(moment) .. ' ' .. int(goal) .. ' ' .. last)
  end
end
if top and (deep or round) then
  lift_behind()
end
