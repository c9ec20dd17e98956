-- withdraw.lua: a job that nobody holds leaves the index of its state: the one way out beside a claim,
-- its time, retention and repair. Needs: record.lua, debts.lua, line.lua, scope.lua, follow.lua, unknown.lua; ready, suspects, scheduled, retrying,
-- blocked, unknown,
-- completed, kept, cancelled, dead. Gives: withdraw(id, run), after which the caller calls note_debts().
local PLACES = {
  q = { ready, suspects },
  s = { scheduled },
  t = { retrying },
  b = { blocked },
  c = { completed, kept },
  x = { cancelled },
  d = { dead },
}
local function withdraw(id, run)
  local task = option(run.header, 'n')
  if task then
    redis.call('ZREM', unknown, unknown_member(task, id, run))
  end
  if run.state == 'q' then
    give_up(run.header)
  end
  let_go(id, run)
  run.header = leave_line(id, run.header)
  local leader = leader_of(id, run)
  if leader then
    redis.call('HDEL', followers, leader)
  end
  for _, index in ipairs(PLACES[run.state]) do
    redis.call('ZREM', index, id)
  end
end
