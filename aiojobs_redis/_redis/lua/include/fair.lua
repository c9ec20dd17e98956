-- fair.lua: keys take turns inside a priority (start-time fair queueing).
-- A job with a key (option g) stands behind the last one of its key, or behind the head of its priority,
-- whichever is further: so a key with many jobs waiting is passed by one that comes with its first, and
-- what is at the head goes before all that comes after it, however many keys there are. Who asked to go first
-- (front.lua) stands before the head.
-- tags: "priority,key" -> last tag given; "priority," -> furthest head seen; "w,key" -> weight; scale -> what
-- a weight of 1 advances by. A tag is a place among arrival sequences; jobs without a key count as one key.
-- debts, pages, walk, walked: keys whose last tag may go back (debts.lua, forgive.lua); s, priority, key -> heads.lua.
-- keyed: number of jobs with a key that waited for their time; so there is a field as long as a job with a key may
-- come to want a turn.
-- Needs: record.lua, ranked.lua, front.lua, ready.lua; tags, runs. Gives: fair, turns(wanted) -> scores; fresh_score(id, run), whose header
-- the caller writes; take_turns(ids and wanted, or nil, headers, scores and ids).
local fair = redis.call('HLEN', tags) > 0
local function head_tag(priority, seen)
  local first = band(priority)
  local head = redis.call('ZRANGE', ready, int(first + FRONT), int(first + BAND - 1), 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
  local tag = head and tonumber(head) - first or tonumber(redis.call('HGET', meta, 'sequence') or 0)
  return math.max(tag, tonumber(seen or 0))
end
-- What lies behind the head says nothing any more. For each new key two others are looked at, so that
-- keys that come once do not pile up.
local function drop_passed(heads, new)
  local found, passed = redis.call('HRANDFIELD', tags, math.min(2 * new, 500), 'WITHVALUES'), {}
  for i = 1, #found, 2 do
    local priority, key = string.match(found[i], '^s?(%-?%d+),(.*)$')
    if priority and key ~= '' and heads[tonumber(priority)] and tonumber(found[i + 1]) <= heads[tonumber(priority)] then
      passed[#passed + 1] = found[i]
    end
  end
  if #passed > 0 then
    redis.call('HDEL', tags, unpack(passed))
  end
end
-- wanted: priority, key, one after the other. The scores are given for good, whether or not they are used.
local function turns(wanted)
  local scale = tonumber(redis.call('HGET', tags, 'scale') or nil)
  local fields, at, heads, scores, new = {}, {}, {}, {}, 0
  for i = 1, #wanted, 2 do
    local priority, key = wanted[i], wanted[i + 1]
    for _, field in ipairs({ priority .. ',', priority .. ',' .. key, scale and 'w,' .. key }) do
      if not at[field] then
        fields[#fields + 1] = field
        at[field] = #fields
      end
    end
  end
  local values, changed = redis.call('HMGET', tags, unpack(fields)), {}
  for i = 1, #wanted, 2 do
    local priority, key = wanted[i], wanted[i + 1]
    local place = at[priority .. ',' .. key]
    if not heads[priority] then
      heads[priority] = head_tag(priority, values[at[priority .. ',']])
      changed[priority .. ','] = heads[priority]
    end
    new = new + (values[place] and 0 or 1)
    local stride = scale and math.floor(scale / tonumber(values[at['w,' .. key]] or 1)) or 1
    values[place] = math.min(math.max(heads[priority], tonumber(values[place] or 0)) + stride, BAND - 1)
    changed[priority .. ',' .. key] = values[place]
    scores[#scores + 1] = int(band(priority) + values[place])
  end
  local flat = {}
  for field, tag in pairs(changed) do
    flat[#flat + 1], flat[#flat + 2] = field, int(tag)
  end
  if new > 0 and fair then
    drop_passed(heads, new)
  end
  if #flat > 0 then
    fair = true
    redis.call('HSET', tags, unpack(flat))
  end
  return scores
end
local function take_turns(ids, wanted, headers, flat)
  for i, score in ipairs(ids and turns(wanted) or {}) do
    push(flat, score, ids[i])
    if string.find(headers[i], ',G', 1, true) then
      local run = new_run(headers[i])
      rank_up(ids[i], run, score)
      redis.call('HSET', runs, ids[i], write_run(run))
    end
  end
end
-- The place of a job that enters now: in front, the turn of its key, or the next arrival.
local function fresh_score(id, run)
  local priority, key = tonumber(option(run.header, 'p')) or 0, option(run.header, 'g')
  if not key then
    return int(band(priority) + (front_place(run.header) or take_sequence(1)))
  end
  local score = turns({ priority, key })[1]
  rank_up(id, run, score)
  return score
end
