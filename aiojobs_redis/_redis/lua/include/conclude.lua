-- conclude.lua: what becomes of a running job that ended otherwise than by a plain success.
-- Needs: record.lua, tally.lua, scope.lua, close.lua, rest.lua, requeue.lua, codes.lua; retrying, scheduled.
-- Gives: act(code, id, run, argument, value) -> the code of what became of it;
-- named(code) -> its name in the statistics, or nil.
-- A job that was to be cancelled (option z) may still complete. However else it ends, it is cancelled, and not dead: a
-- replay of dead jobs would run again what somebody had called off. The reason was recorded with the request.
local function act(code, id, run, argument, value)
  if code == 't' or code == 'd' then
    note('failed', id)
  end
  if option(run.header, 'z') then
    call_off(id, run)
    if code ~= 'x' then
      -- No kind of events, for the reply alone: the worker believes something else.
      noted.called_off = noted.called_off or {}
      table.insert(noted.called_off, id)
    end
    return 'x'
  elseif code == 't' then
    run.failures = run.failures + 1
    add_error(id, value)
    note('retrying', id)
    put_off(retrying, 't', id, run, argument)
  elseif code == 'd' then
    bury(id, run, value)
  elseif code == 'z' or code == 'l' and value == 'k' and not option(run.header, 'g') then
    -- Where its key is to wait, and it has none, it waits alone.
    if limited then
      let_go(id, run)
    end
    put_off(scheduled, 's', id, run, argument)
  elseif code == 'x' then
    call_off(id, run, value)
  elseif code == 'b' then
    if limited then
      let_go(id, run)
    end
    park(id, run, value)
  elseif code == 'w' then
    if limited then
      let_go(id, run)
    end
    -- Once all that ended in this call is known.
    naming[#naming + 1] = { id = id, run = run, value = value, about = about }
  elseif code == 'u' then
    unstart(run)
    queue_again(id, run, run.score)
  else
    if code == 'l' and argument > 0 then
      shut(value == 'k' and 'k' .. option(run.header, 'g') or value, argument)
    end
    -- The holder is well, so the leases lost before say nothing of the job any more.
    run.lost = 0
    queue_again(id, run, run.score)
  end
  return code
end
local function named(code)
  return ({ t = 'failed', d = 'dead', z = 'snoozed', x = 'cancelled' })[code]
end
