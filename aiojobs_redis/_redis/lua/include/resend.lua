-- resend.lua: the last operation of each worker incarnation, so that a resent one is answered again.
-- ops value: counter,time,nonce,bytes of lost,lost claimed - the two lists as netstrings.
-- Needs: netstring.lua; ops. Gives: recall(text) -> nil for what is damaged, which the next operation
-- overwrites; remember(incarnation, counter, nonce, lost ids, packed claimed ids).
local function recall(text)
  if not text then
    return nil
  end
  local counter, nonce, size, at = string.match(text, '^(%d+),%d+,(%x+),(%d+),()')
  size = tonumber(size)
  if not size then
    return nil
  end
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
