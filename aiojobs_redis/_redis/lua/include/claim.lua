-- claim.lua: take the highest jobs of ready and lease them to one worker.
-- Needs: record.lua, ready.lua, rest.lua; jobs, suspects, leases, big. Gives: claim(limit, may_suspect,
-- worker, nonce, own_lease) -> reply, ids; own_lease in ms, nil for that of each job; reply, four a job: id,
-- header and spec, fence, counts, "generation,failures,lost" or empty for 1,0,0, with ",1" behind where an attempt
-- before has left a state or steps. give(id, blob, fence, run, reply) appends one.
-- Specs of a call stay under 4 MiB: a queue with any spec over 16 KiB (meta.big) is measured first,
-- in others 250 of them cannot pass it. What is over, and all that ranks below it, goes back with its
-- score; one is always taken.
-- The caller calls settle() afterwards, which writes the records.
-- A header of BARE characters holds the time of the enqueue and no option.
local LEASE, BUDGET, BARE = 15000, 4194304, 10
local function give(id, blob, fence, run, reply)
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3] = id, blob, fence
  local counts = run and run.generation .. ',' .. run.failures .. ',' .. run.lost
  if run and #run.header > BARE and option(run.header, 'j') then
    counts = counts .. ',1'
  end
  reply[at + 4] = counts ~= '1,0,0' and counts or ''
end
local function take_suspect(popped, limit)
  local suspect = redis.call('ZRANGE', suspects, 0, 0, 'WITHSCORES')
  local full = #popped == 2 * limit
  if #suspect == 0 or (full and tonumber(suspect[2]) > tonumber(popped[#popped])) then
    return false
  end
  local at = #popped + 1
  if full then
    at = at - 2
    redis.call('ZADD', ready, int(tonumber(popped[at + 1])), popped[at])
  end
  redis.call('ZREM', suspects, suspect[1])
  popped[at], popped[at + 1] = suspect[1], suspect[2]
  return true
end
local function within_budget(popped, ids, with_suspect)
  local sum, over, full = 0, {}, false
  for i = 1, #popped, 2 do
    local size = big and redis.call('HSTRLEN', jobs, popped[i]) or 0
    full = full or (#ids > 0 and sum + size > BUDGET)
    if not full then
      sum = sum + size
      ids[#ids + 1] = popped[i]
    elseif with_suspect and i == #popped - 1 then
      redis.call('ZADD', suspects, int(tonumber(popped[i + 1])), popped[i])
    else
      over[#over + 1], over[#over + 2] = int(tonumber(popped[i + 1])), popped[i]
    end
  end
  make_ready(over)
end
local EXPIRED = '{"type":"expired","message":"not started before its expiry","attempt":1,"at":' .. time .. '}'
local function claim(limit, may_suspect, worker, nonce, own_lease)
  local popped, reply, claimed, ids, with_suspect = {}, {}, {}, {}, false
  if limit > 0 and not paused then
    popped = redis.call('ZPOPMIN', ready, limit)
    with_suspect = may_suspect and take_suspect(popped, limit)
  end
  if #popped == 0 then
    return reply, claimed
  end
  within_budget(popped, ids, with_suspect)
  local blobs, texts = redis.call('HMGET', jobs, unpack(ids)), redis.call('HMGET', runs, unpack(ids))
  local fence = redis.call('HINCRBY', meta, 'fence', #ids) - #ids
  local leased, usual, size = {}, int(now + (own_lease or LEASE)), 0
  local middle, since = ',' .. nonce .. ',', worker .. ',' .. time .. ','
  -- Redis writes a score as a whole number, and one by printf here would be dear.
  local whole = string.find(popped[2], '^%d+$')
  for i, id in ipairs(ids) do
    local blob, score = blobs[i], whole and popped[2 * i] or int(tonumber(popped[2 * i]))
    local run = texts[i] and read_run(texts[i])
    local header = run and run.header or blob and string.match(blob, '^(,[^\n]*)\n') or ''
    local options = #header > BARE
    local expiry = options and tonumber(option(header, 'x'))
    if not blob then
      gone[#gone + 1] = id
    elseif expiry and expiry < now and not (run and run.started ~= '') then
      tally('?', 'dead', 1)
      bury(id, run or new_run(header), EXPIRED)
    else
      local lease = options and not own_lease and tonumber(option(header, 'l'))
      fence = fence + 1
      local counts = run and run.generation .. ',' .. run.failures .. ',' .. run.lost .. ',' or '1,0,0,'
      push(records, id, 'r,' .. int(fence) .. middle .. score .. ',' .. counts .. since .. header)
      leased[size + 1], leased[size + 2] = lease and int(now + lease) or usual, id
      size = size + 2
      claimed[size / 2] = id
      give(id, blob, fence, run, reply)
    end
  end
  if size > 0 then
    note_all('started', claimed)
    redis.call('ZADD', leases, unpack(leased))
  end
  return reply, claimed
end
