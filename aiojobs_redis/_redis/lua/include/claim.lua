-- claim.lua: take the highest jobs of ready and lease them to one worker.
-- Needs: record.lua, line.lua, ready.lua, lift.lua, give.lua, unstarted.lua, budget.lua, allowance.lua, start.lua, trade.lua where ranked; jobs, leases, limited.
-- Gives: claim(limit, may_suspect, worker, nonce, own_lease) -> reply, ids; own_lease in ms, nil for that of each
-- job; reply as give.lua has it.
-- The caller calls settle() afterwards, which writes the records.
local LEASE = 15000
local function take(limit, may_suspect, worker, nonce, own_lease, reply, claimed)
  local popped, ids = redis.call('ZPOPMIN', ready, limit), {}
  local with_suspect = may_suspect and suspected and take_suspect(popped, limit)
  if #popped == 0 then
    return 0
  end
  if lift then
    lift(popped)
  end
  within_budget(popped, ids, with_suspect, #claimed > 0)
  if #ids == 0 then
    return 0
  end
  local blobs, texts = redis.call('HMGET', jobs, unpack(ids)), redis.call('HMGET', runs, unpack(ids))
  local fence = redis.call('HINCRBY', meta, 'fence', #ids) - #ids
  local leased, usual, size = {}, int(now + (own_lease or LEASE)), #claimed
  local middle, since = ',' .. nonce .. ',', worker .. ',' .. time .. ','
  -- Redis writes a score as a whole number, and one by printf here would be dear.
  local whole = string.find(popped[2], '^%d+$')
  for i, id in ipairs(ids) do
    local blob, score = blobs[i], whole and popped[2 * i] or int(tonumber(popped[2 * i]))
    local run = texts[i] and read_run(texts[i])
    local header = run and run.header or blob and string.match(blob, '^(,[^\n]*)\n') or ''
    local options = #header > BARE
    local expiry = options and tonumber(option(header, 'x'))
    local most = options and string.find(header, ',o', 1, true) and tonumber(option(header, 'o'))
    if not blob then
      gone[#gone + 1] = id
    elseif expiry and expiry < now and not (run and run.started ~= '') then
      end_unstarted(id, run or new_run(header), header, blob, string.format(EXPIRED, time))
    elseif most and tonumber(option(header, 's') or 0) >= most then
      end_unstarted(id, run, header, blob, string.format(TOO_OFTEN, run.failures + 1, time))
    else
      header = not limited and header or may_start(id, run, header, blob, score)
      if header then
        if ranked then
          header = trade(i, ids, blobs, texts, header, score)
          id, blob, run = ids[i], blobs[i], texts[i] and read_run(texts[i])
          most = tonumber(option(header, 'o'))
        end
        if leave_line then
          header = options and leave_line(id, header) or header
        end
        local lease = options and not own_lease and tonumber(option(header, 'l'))
        if run and run.started ~= '' and not string.find(header, ',v', 1, true) then
          header = header .. ',v'
        end
        fence = fence + 1
        if most then
          header = string.gsub(header, ',s%d+', '') .. ',s' .. int(tonumber(option(header, 's') or 0) + 1)
        end
        local counts_text = run and run.generation .. ',' .. run.failures .. ',' .. run.lost .. ',' or '1,0,0,'
        push(records, id, 'r,' .. int(fence) .. middle .. score .. ',' .. counts_text .. since .. header)
        push(leased, lease and int(now + lease) or usual, id)
        size = size + 1
        claimed[size] = id
        give(id, blob, fence, run, reply)
      end
    end
  end
  if #leased > 0 then
    redis.call('ZADD', leases, unpack(leased))
  end
  return #ids
end
local function claim(limit, may_suspect, worker, nonce, own_lease)
  local reply, claimed, looked = {}, {}, 0
  limit = limited and queue_room(limit) or limit
  if paused or limit <= 0 then
    return reply, claimed
  end
  if ranked then
    ranked = is_ranked()
  end
  repeat
    -- What is over a limit was parked: it leaves its slot to the next one.
    local wanted = limit - #claimed
    local found = take(wanted, may_suspect and looked == 0, worker, nonce, own_lease, reply, claimed)
    looked = looked + found
  until not limited or found < wanted or #claimed == limit or looked >= 250
  if #claimed > 0 then
    note_all('started', claimed)
  end
  local rule = limited and rule_of('q')
  for _ = 1, rule and rule.count and #claimed or 0 do
    count_start('q', rule)
  end
  return reply, claimed
end
