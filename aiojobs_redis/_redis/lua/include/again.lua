-- again.lua: the answer to an exchange that was sent before.
-- Needs: record.lua, claim.lua, resend.lua; jobs, runs. Gives: answer_again(counter, last, remembered) -> AGAIN or STALE,
-- lost ids, claims; nil for one to be applied.
-- Of the claimed jobs only those whose lease is still the one of that operation.
local function claims_again(operation)
  local reply = {}
  if #operation.claimed > 0 then
    local texts = redis.call('HMGET', runs, unpack(operation.claimed))
    for i, id in ipairs(operation.claimed) do
      local run = read_run(texts[i])
      if run and run.state == 'r' and run.nonce == operation.nonce then
        give(id, redis.call('HGET', jobs, id) or '', tonumber(run.fence), run, reply)
      end
    end
  end
  return reply
end
local function answer_again(counter, last, remembered)
  local found = recall(remembered, counter)
  local operation = found[#found]
  if operation and operation.counter == counter then
    return 'AGAIN', operation.lost, claims_again(operation)
  end
  -- What is damaged is overwritten by this operation.
  return counter < last and 'STALE' or nil, {}, {}
end
