-- walk_debts.lua: the parts of a walk over ready for those keys that may owe nothing (forgive.lua).
-- It goes from the end of the lowest priority of them to the front: jobs that age go the same way.
-- Needs: record.lua, ready.lua, fair.lua; jobs, runs, tags, big, most; entries and fields (its keys, and by key), walked,
-- pages, debts. Gives: add_entry(field, tag, met), begin_walk() -> walked, look_at_some() -> whether that were all,
-- write_walk() -> text, forgive().
local BYTES = 1048576
local function add_entry(field, tag, met)
  fields[#fields + 1] = field
  entries[field] = { tag = tag, met = met, priority = tonumber(string.match(field, '^[^,]*')) }
end
local function begin_walk()
  local lowest, names = 1023, {}
  for field in string.gmatch(pages > 0 and redis.call('HGET', tags, 'page' .. pages) or debts or '', '[^\n]+') do
    names[#names + 1] = field
  end
  for i, tag in ipairs(#names > 0 and redis.call('HMGET', tags, unpack(names)) or {}) do
    if tag then
      add_entry(names[i], tag, 0)
      lowest = math.min(lowest, entries[names[i]].priority)
    end
  end
  if pages > 0 then
    redis.call('HDEL', tags, 'page' .. pages)
    pages = pages - 1
    redis.call('HSET', tags, 'pages', pages)
  else
    redis.call('HDEL', tags, 'debts', 'pages')
  end
  return int(band(lowest) + BAND) .. ' '
end
local function meet(ids, scores)
  local texts, blobs, size = redis.call('HMGET', runs, unpack(ids)), {}, 0
  for i, id in ipairs(ids) do
    local header = texts[i] and (read_run(texts[i]) or {}).header
    if not header then
      local blob = redis.call('HGET', jobs, id) or ''
      header, size = string.match(blob, '^(,[^\n]*)\n') or '', size + #blob
    end
    local key = option(header, 'g')
    local entry = key and entries[(tonumber(option(header, 'p')) or 0) .. ',' .. key]
    if entry then
      entry.met = math.max(entry.met, scores[i] % BAND)
    end
    walked = int(scores[i]) .. ' ' .. id
    if size > BYTES and i < #ids then
      return false
    end
  end
  return true
end
local function look_at_some()
  local score, id = string.match(walked, '^(%d+) (.*)$')
  local left = tonumber(redis.call('ZSCORE', ready, id) or nil) == tonumber(score) and redis.call('ZRANK', ready, id)
    or redis.call('ZCOUNT', ready, '-inf', score)
  if left == 0 then
    return true
  end
  local page, ids, scores = redis.call('ZRANGE', ready, math.max(0, left - most), left - 1, 'WITHSCORES'), {}, {}
  for i = #page - 1, 1, -2 do
    ids[#ids + 1], scores[#scores + 1] = page[i], tonumber(page[i + 1])
  end
  return meet(ids, scores) and left <= most
end
local function write_walk()
  local lines = {}
  for i, field in ipairs(fields) do
    lines[i] = entries[field].tag .. ' ' .. int(entries[field].met) .. ' ' .. field .. '\n'
  end
  return table.concat(lines)
end
local function forgive()
  local gone, lower, heads = { 'walk', 'walked' }, {}, {}
  for _, field in ipairs(fields) do
    local entry = entries[field]
    local priority = entry.priority
    local now_there = redis.call('HMGET', tags, field, 's' .. field, priority .. ',')
    heads[priority] = heads[priority] or head_tag(priority, now_there[3])
    local last = math.max(entry.met, tonumber(now_there[2] or 0))
    if now_there[1] == entry.tag and last <= heads[priority] then
      push(gone, field, 's' .. field)
    elseif now_there[1] == entry.tag and last < tonumber(entry.tag) then
      push(lower, field, int(last))
    end
  end
  if #lower > 0 then
    redis.call('HSET', tags, unpack(lower))
  end
  redis.call('HDEL', tags, unpack(gone))
end
