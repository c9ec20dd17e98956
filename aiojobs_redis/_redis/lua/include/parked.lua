-- parked.lua: what has been blocked for a day: who waits for a worker that knows its task is given up, who waits for
-- other jobs is looked after.
-- Needs: record.lua, tally.lua, rest.lua, waiting.lua, unknown.lua; runs, blocked, unknown. Gives: look_at_parked(most) -> ids given up.
local PARKED = 86400000
local function look_at_parked(most)
  local given_up = {}
  for _, id in ipairs(redis.call('ZRANGE', blocked, '-inf', int(now - PARKED), 'BYSCORE', 'LIMIT', 0, most)) do
    local run = read_run(redis.call('HGET', runs, id))
    local task = run and option(run.header, 'n')
    if task then
      redis.call('ZREM', blocked, id)
      redis.call('ZREM', unknown, unknown_member(task, id, run))
      local text = 'no worker knew the task ' .. task .. ' for 24 hours'
      tally(task, 'dead', 1)
      bury(id, run, cjson.encode({ type = 'TaskNotRegistered', message = text, at = now, attempt = run.failures + 1 }))
      given_up[#given_up + 1] = id
    elseif run and run.state == 'b' then
      -- One that followed a job given up in this round waits for its time by now.
      -- What waits for a limit has been told of its parents, of which some may be gone by now.
      if option(run.header, 'f') and not option(run.header, 'h') then
        look_after(id)
      end
      -- It is not to hide the others from this round.
      redis.call('ZADD', blocked, time, id)
    end
    if looked_at > MOST_LOOKED_AT then
      break
    end
  end
  return given_up
end
