-- check.lua: one job, as one of its keys has it, against its record.
-- Needs: record.lua, ranked.lua, scope.lua, follow.lua, lined.lua, evict.lua, quarantine.lua, restore.lua, waiting.lua, unknown.lua; jobs, results, leases,
-- blocked, unknown.
-- Gives: check(key, id, text of its run record, score or nil); removed and shortened, numbers.
local removed, shortened = 0, 0
-- A clock that was set back leaves leases that seem to have begun in the future. They are counted
-- anew from now, each at its length, which is as long as it can still be true for.
local function check_lease(id, run, score)
  local began = tonumber(run.started)
  if began and began > now and score > began then
    redis.call('ZADD', leases, int(now + score - began), id)
    shortened = shortened + 1
  end
end
local function check_parked(id, run)
  local task = option(run.header, 'n')
  local scopes, how = scopes_of(run.header)
  local waits = string.find(table.concat(how), '[pb]')
  if waits then
    add_parked(scopes[waits], how[waits], run.score, id, run.header)
  elseif task then
    redis.call('ZADD', unknown, 0, unknown_member(task, id, run))
  elseif not (option(run.header, 'f') and (looked_at > MOST_LOOKED_AT or look_after(id)) or leader_of(id, run)) then
    quarantine(id, run, 'it is parked, and for no task and no other job')
  end
end
local function check_home(key, id, run, score)
  -- A score that no script writes: a waiting job with one would wait for ever, or hold up the others.
  local sound = score >= 0 and score < 9007199254740992
  if run and FINISHED[run.state] then
    if not sound then
      restore(id, run)
    end
    return
  end
  mend_line(id, run)
  local order = run and option(run.header, 'O')
  if order then
    take_rank(id, run, order)
  end
  if not sound then
    quarantine(id, run, 'its score ' .. score .. ' is out of range')
  elseif key == leases then
    check_lease(id, run, score)
  elseif key == blocked then
    check_parked(id, run)
  end
end
local function check_record(key, id, text, score)
  local run = read_run(text)
  if not run and (text or not home_of('q', id)) then
    run = finished_run(id)
  end
  local state = run and run.state or (text and '?' or 'q')
  local home = home_of(state, id)
  if not home and FINISHED[state] then
    restore(id, run)
  elseif not home then
    quarantine(id, run, 'the index of its state, ' .. state .. ', does not hold it')
  elseif key == results and state ~= 'c' then
    redis.call('HDEL', results, id)
    removed = removed + 1
  elseif score and key ~= home then
    redis.call('ZREM', key, id)
    removed = removed + 1
  elseif score then
    check_home(key, id, run, score)
  end
end
local function check(key, id, text, score)
  if redis.call('HEXISTS', jobs, id) == 1 then
    check_record(key, id, text, score)
  else
    leave_all(id)
    forget({ id })
    removed = removed + 1
  end
end
