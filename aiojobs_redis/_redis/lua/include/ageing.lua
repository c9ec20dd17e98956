-- ageing.lua: who has waited for so many times the level as its priority is below the highest that waits goes there, to
-- the place that it would have had if it had come with that priority.
-- Done before a claim, for the first ten of each priority: those behind them came later. A job waits from its enqueue on,
-- or from the time that it had to wait for. meta.aged: where the next claim goes on when there are more priorities than
-- one looks at.
-- Where specs are large they are read one by one, a MiB a call or a little more, and whoever is not reached is so by
-- the next claims.
-- Needs: record.lua, ready.lua, heads.lua, state.lua; limit, how many are to be claimed; ready, suspects, jobs, runs. Gives nothing;
-- where jobs do not age nothing is made of it.
if limit > 0 and not paused and (queue_state[9] or '') ~= '' then
local most, bytes = big and 1 or 10, 1048576
-- Only those of one priority, so that later ones are found from its end on.
local function lift_first(index, found, top, level)
  local ids, flat, at = {}, {}, math.floor(tonumber(found[2]) / BAND)
  for i = 1, #found, 2 do
    ids[#ids + 1] = math.floor(tonumber(found[i + 1]) / BAND) == at and found[i] or nil
  end
  local blobs, texts = redis.call('HMGET', jobs, unpack(ids)), redis.call('HMGET', runs, unpack(ids))
  for i, id in ipairs(ids) do
    bytes = bytes - #(blobs[i] or '')
    local run = read_run(texts[i])
    local header = run and run.header or blobs[i] and string.match(blobs[i], '^(,[^\n]*)\n') or ''
    local below = 1023 - (tonumber(option(header, 'p')) or 0) - top
    local since = math.max(tonumber(option(header, 'e') or '', 36) or now, tonumber(option(header, 'w')) or 0)
    if now - since >= below * level then
      push(flat, int(top * BAND + tonumber(found[2 * i]) % BAND), id)
    end
  end
  if #flat > 0 then
    if fair then
      -- They leave others of their priority behind that came before them, as if they had been claimed.
      if index == ready then
        keep_heads(flat)
        keep_head(1023 - at, tonumber(flat[#flat - 1]) % BAND)
      end
    end
    redis.call('ZADD', index, unpack(flat))
  end
  return (big and #flat > 0 and at or at + 1) * BAND
end
local function lift_aged(level)
  local head = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')[2]
  local top = head and math.floor(tonumber(head) / BAND)
  for _, index in ipairs(head and { suspects, ready } or {}) do
    local aged = index == ready and redis.call('HGET', meta, 'aged')
    local from, looked, more = math.max((top + 1) * BAND, tonumber(aged or 0)), 0, true
    while more and looked < 32 and bytes > 0 do
      local found = redis.call('ZRANGE', index, int(from), '+inf', 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
      more, looked = #found > 0, looked + 1
      from = more and lift_first(index, found, top, level) or from
    end
    if index == ready and more then
      redis.call('HSET', meta, 'aged', int(from))
    elseif aged then
      redis.call('HDEL', meta, 'aged')
    end
  end
end
lift_aged(tonumber(queue_state[9]))
end
