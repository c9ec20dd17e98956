-- again.lua: the answer to an exchange that was sent before.
-- Needs: record.lua, claim.lua; jobs, runs. Gives: answer_again(last) -> claims as claim.lua returns them.
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
