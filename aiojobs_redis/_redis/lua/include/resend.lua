-- resend.lua: the last two operations of each worker incarnation, so that a resent one is answered again.
-- A worker has two of them on their way at most, so the one before the last may still be asked for.
-- One that found nothing is remembered too: a late first copy of it would claim jobs for nobody.
-- ops value: counter,time,size,body, and behind it the operation before in the same form;
-- body: nonce,bytes of lost,lost claimed - the two lists as netstrings.
-- Needs: netstring.lua; ops. Gives: counter_of(text), the newest; recall(text, least) -> operations from
-- that counter on, the newest first, without what is damaged; remember(incarnation, counter, nonce, lost
-- ids, claimed ids, text of those before).
local OPERATION = '^(%d+),%d+,(%d+),()'
local function counter_of(text)
  return text and tonumber(string.match(text, '^%d+'))
end
local function recall(text, least)
  local found, counter, size, at = {}, string.match(text or '', OPERATION)
  while counter and tonumber(counter) >= least do
    local body = string.sub(text, at, at + size - 1)
    local nonce, bytes, start = string.match(body, '^(%x+),(%d+),()')
    if nonce then
      found[#found + 1] = {
        counter = tonumber(counter),
        nonce = nonce,
        lost = unpack_ids(string.sub(body, start, start + bytes - 1)),
        claimed = unpack_ids(string.sub(body, start + bytes)),
      }
    end
    text = string.sub(text, at + size)
    counter, size, at = string.match(text, OPERATION)
  end
  return found
end
local function remember(incarnation, counter, nonce, lost, claimed, before)
  local _, size, at = string.match(before or '', OPERATION)
  local packed = pack_ids(lost, 1, #lost)
  local body = nonce .. ',' .. #packed .. ',' .. packed .. pack_ids(claimed, 1, #claimed)
  local text = counter .. ',' .. time .. ',' .. #body .. ',' .. body
  redis.call('HSET', ops, incarnation, at and text .. string.sub(before, 1, at + size - 1) or text)
end
