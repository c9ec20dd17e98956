-- again.lua: the answer to an exchange that was sent before.
-- Needs: record.lua, claim.lua; jobs, runs. Gives: answer_again(operation) -> claims as claim.lua returns them.
-- Of the claimed jobs only those whose lease is still the one of that operation.
local function answer_again(operation)
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
