-- resend.lua: the last operation of each worker incarnation, so that a resent one is answered again.
-- ops value: counter,time,nonce,bytes of lost,lost claimed - the two lists as netstrings.
-- Needs: record.lua, netstring.lua; ops; claim.lua for answer_again. Gives: recall(text),
-- remember(incarnation, counter, nonce, lost ids, packed claimed ids), answer_again(last).
local function recall(text)
  if not text then
    return nil
  end
  local counter, nonce, size, at = string.match(text, '^(%d+),%d+,(%x+),(%d+),()')
  size = tonumber(size)
  return {
    counter = tonumber(counter),
    nonce = nonce,
    lost = unpack_ids(string.sub(text, at, at + size - 1)),
    claimed = unpack_ids(string.sub(text, at + size)),
  }
end
local function remember(incarnation, counter, nonce, lost, claimed)
  local packed = pack_ids(lost)
  local text = counter .. ',' .. time .. ',' .. nonce .. ',' .. #packed .. ',' .. packed .. table.concat(claimed)
  redis.call('HSET', ops, incarnation, text)
end
-- Of the claimed jobs only those whose lease is still the one of that operation.
local function answer_again(last)
  local reply = {}
  if #last.claimed > 0 then
    local texts = redis.call('HMGET', runs, unpack(last.claimed))
    for i, id in ipairs(last.claimed) do
      local run = read_run(texts[i])
      if run and run.state == 'r' and run.nonce == last.nonce then
        give(id, redis.call('HGET', jobs, id) or '', tonumber(run.fence), run, reply)
      end
    end
  end
  return reply
end
