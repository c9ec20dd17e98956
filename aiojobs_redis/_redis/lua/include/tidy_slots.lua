-- tidy_slots.lua: slots of limits and places in the lines of keys, of which the record of the job has to know.
-- Needs: scope.lua, lined.lua, check.lua; slots, runs. Gives: tidy_slots(members).
local function tidy_slots(members)
  for _, member in ipairs(members) do
    local kind, scope, rest = string.match(member, '^([hplu])([^,]*),(.*)$')
    local sound
    if kind == 'l' then
      sound = stands_in_line(rest, scope)
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
