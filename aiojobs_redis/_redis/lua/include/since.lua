-- since.lua: since when queued jobs have been waiting, without reading more than a few of them.
-- Needs: record.lua; ready, jobs, runs. Gives: BAND; oldest_of(first) -> ms or nil, the longest wait among the jobs
-- of one priority, first being the least score that it can have.
-- Jobs without a key stand in the order in which they came. Keys take turns: the oldest job of each of them is
-- among the first ones, so where the first has a key, as many are looked at as there may be keys.
-- A job that was queued again has waited since its last attempt began, at most.
local BAND, TURNS = 4398046511104, 64
local function waited_since(blob, text)
  local header = string.match(blob or '', '^(,[^\n]*)\n') or ''
  local run = read_run(text)
  local since = tonumber(option(header, 'w')) or tonumber(option(header, 'e') or '', 36)
  return since and math.max(since, tonumber(run and run.started) or 0), option(header, 'g')
end
local function oldest_of(first)
  local oldest, seen, most = nil, 0, 1
  repeat
    local ids = redis.call('ZRANGE', ready, int(first), int(first + BAND - 1), 'BYSCORE', 'LIMIT', seen, most)
    if #ids == 0 then
      break
    end
    local blobs, texts = redis.call('HMGET', jobs, unpack(ids)), redis.call('HMGET', runs, unpack(ids))
    for i in ipairs(ids) do
      local since, key = waited_since(blobs[i], texts[i])
      oldest = since and math.min(since, oldest or since) or oldest
      most = key and TURNS or most
    end
    seen = seen + #ids
  until most == 1 or seen >= TURNS
  return oldest and math.max(0, now - oldest)
end
