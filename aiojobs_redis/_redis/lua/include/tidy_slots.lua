-- tidy_slots.lua: slots of limits, places in the lines of keys and orders in keys, of which the record of the job has to know.
-- Needs: scope.lua, ranked.lua, lined.lua, check.lua; slots, runs. Gives: tidy_slots(members).
local function has_order(id, member)
  local run = read_run(id and redis.call('HGET', runs, id))
  return run and option(run.header, 'O') and option(run.header, 'g') and rank_member(id, run.header) == member
end
local function tidy_slots(members)
  for _, member in ipairs(members) do
    local kind, scope, rest = string.match(member, '^([hpluw])([^,]*),(.*)$')
    local sound
    if kind == 'l' then
      sound = stands_in_line(rest, scope)
    elseif kind == 'w' then
      sound = has_order(string.match(rest, '^[^,]*,%d+,%d+,(.*)$'), member)
    else
      local shape = kind == 'u' and '^[^,]*,%d+,%d+,(.*)$' or scope and of_task(scope) and '^[01],%d+,%d+,(.*)$' or '^[01],%d+,(.*)$'
      local id = kind == 'h' and rest or kind and string.match(rest, shape)
      local run = id and read_run(redis.call('HGET', runs, id))
      sound = run and is_member(member, kind, id, run, scope)
      if not sound then
        freed[scope or '*'] = true
      end
    end
    if not sound then
      redis.call('ZREM', slots, member)
      removed = removed + 1
    end
  end
end
