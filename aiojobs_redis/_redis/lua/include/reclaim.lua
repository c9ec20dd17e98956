-- reclaim.lua: jobs whose lease ran out are handed out again, or end where their limit says.
-- Needs: record.lua, ready.lua, heads.lua, waited.lua, rest.lua, leases, suspects, beat, hold. Gives:
-- reclaim(most) -> taken.
-- The caller calls settle() afterwards.
-- A silent queue (no beat for 3 s) means that Redis or every worker was away: live ones get
-- 4 s, twice the longest back-off, to renew what they hold before anything is taken from them,
-- counted from the end of the silence, whether or not a lease has run out by then. Workers that only
-- beat late do not renew the wait for ever, nor does a clock that was set back.
local function gate_open()
  if now - beat > 3000 and math.abs(now - hold) > 6000 and redis.call('ZCARD', leases) > 0 then
    hold, beat = now + 4000, now
    redis.call('HSET', meta, 'hold', int(hold), 'beat', int(beat))
  end
  return now >= hold or hold > now + 4000
end
local function reclaim(most)
  if not gate_open() then
    return 0
  end
  local ids = redis.call('ZRANGE', leases, '-inf', '(' .. int(now), 'BYSCORE', 'LIMIT', 0, most)
  if #ids == 0 then
    return 0
  end
  local texts, flat = redis.call('HMGET', runs, unpack(ids)), {}
  redis.call('ZREM', leases, unpack(ids))
  for i, id in ipairs(ids) do
    local run = read_run(texts[i])
    if run and run.state == 'r' then
      run.lost = run.lost + 1
      local limit = tonumber(option(run.header, 'd')) or 3
      local once = option(run.header, 'm')
      note('recovered', id)
      if option(run.header, 'z') then
        call_off(id, run)
      elseif once or run.lost >= limit then
        local reason = once and 'abandoned' or 'lease_expired'
        local text = 'lease number ' .. run.lost .. ' ran out on worker ' .. run.worker .. ', limit ' .. (once and 1 or limit)
        tally('?', 'dead', 1)
        bury(id, run, cjson.encode({ type = reason, message = text, at = now, attempt = run.failures + 1 }))
      else
        run.state, run.fence, run.nonce = 'q', '', ''
        if run.lost >= 2 then
          make_suspect(place_of(run), id)
        else
          local score = place_of(run)
          if fair then
            score = risen(score, run.header)
          end
          push(flat, score, id)
        end
        redis.call('HSET', runs, id, write_run(run))
      end
    elseif not run then
      redis.call('HDEL', runs, id)
    end
  end
  if fair then
    keep_heads(flat)
  end
  make_ready(flat)
  return #ids
end
