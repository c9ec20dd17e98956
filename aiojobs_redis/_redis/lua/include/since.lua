-- since.lua: since when queued jobs have been waiting, without reading more than a few of them.
-- Needs: record.lua; ready, jobs, runs. Gives: BAND; oldest_of(head) -> ms or nil, the longest wait among the jobs
-- of one priority, head being its least score; room, bytes of specs that may still be read.
-- Jobs without a key stand in the order in which they came, those that asked to go first (front.lua) before them and the
-- other way round. Keys take turns: the oldest job of each of them is among the first ones, so where the first has a key, as
-- many are looked at as there may be keys.
-- A job that was queued again has waited since its last attempt began, at most.
-- A spec may be a MiB, and stands behind what is looked for: of large ones one at once, and no more than 4 MiB.
local BAND, FRONT, TURNS, room = 4398046511104, 1099511627776, 64, 4194304
local function waited_since(blob, text)
  local header = string.match(blob or '', '^(,[^\n]*)\n') or ''
  local run = read_run(text)
  local since = tonumber(option(header, 'w')) or tonumber(option(header, 'e') or '', 36)
  return since and math.max(since, tonumber(run and run.started) or 0), option(header, 'g')
end
local function oldest_in_front(first)
  local id = redis.call('ZRANGE', ready, '(' .. int(first + FRONT), int(first), 'BYSCORE', 'REV', 'LIMIT', 0, 1)[1]
  local blob = id and redis.call('HGET', jobs, id)
  room = room - #(blob or '')
  return blob and waited_since(blob, redis.call('HGET', runs, id)) or nil
end
local function oldest_of(head)
  local first = math.floor(head / BAND) * BAND
  local oldest, seen, most, large = head < first + FRONT and oldest_in_front(first) or nil, 0, 1, false
  while seen < most and room > 0 do
    local size = large and 1 or math.min(most - seen, 16)
    local ids = redis.call('ZRANGE', ready, int(first + FRONT), int(first + BAND - 1), 'BYSCORE', 'LIMIT', seen, size)
    if #ids == 0 then
      break
    end
    local blobs, texts = redis.call('HMGET', jobs, unpack(ids)), redis.call('HMGET', runs, unpack(ids))
    for i in ipairs(ids) do
      local since, key = waited_since(blobs[i], texts[i])
      oldest = since and math.min(since, oldest or since) or oldest
      most = key and TURNS or most
      large = large or #(blobs[i] or '') > 16000
      room = room - #(blobs[i] or '')
    end
    seen = seen + #ids
  end
  return oldest and math.max(0, now - oldest)
end
