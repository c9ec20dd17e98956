-- trade_slots.lua: of two jobs of a key, each gets what the other holds of limits, and stands where that one is held back.
-- With limits of tasks both are to be of one task, or neither of a task with limits: only then what the one may, the other may too.
-- Needs: record.lua, scope.lua, allowance.lua, task_of.lua; slots, limited. Gives: trade_slots(one, other) -> the header of each, with what the
-- other had; or nil, and nothing has changed. one may start, and has the header starts to do so; other waits.
local function has_limit(scope)
  return string.find(limited, string.sub(scope, 1, 1), 1, true) and rule_of(scope)
end
local function is_free(name, how, key)
  return how[2] == '-' and how[3] == '-' and not has_limit('t' .. name) and not has_limit('b' .. name .. '/' .. key)
end
local function give_slots(how, scopes, id)
  for place, scope in ipairs(scopes) do
    if how[place] == 'h' or how[place] == 'b' then
      redis.call('ZADD', slots, 0, 'h' .. scope .. ',' .. id)
    end
  end
end
local function take_slots(how, scopes, id)
  for place, scope in ipairs(scopes) do
    if how[place] == 'h' or how[place] == 'b' then
      redis.call('ZREM', slots, 'h' .. scope .. ',' .. id)
    end
  end
end
local function trade_slots(one, other)
  local key, by_task = option(one.header, 'g'), string.find(limited, '[bt]')
  local scopes, how, name = scopes_of(one.starts, by_task and task_of(one.header, one.blob) or nil)
  local its_scopes, its_how, its_name = scopes_of(other.header, by_task and task_of(other.header, other.blob) or nil)
  if name ~= its_name and not (is_free(name, how, key) and is_free(its_name, its_how, key)) then
    return nil
  end
  local header, score = marked(one.header, its_how, name, option(other.header, 't')), other.run.score
  take_slots(how, scopes, one.id)
  take_slots(its_how, its_scopes, other.id)
  give_slots(its_how, scopes, one.id)
  give_slots(how, its_scopes, other.id)
  for place, its in ipairs(its_how) do
    if its == 'p' or its == 'b' then
      redis.call('ZREM', slots, parked_members(its_scopes[place], its, score, other.id, other.header))
      add_parked(scopes[place], its, score, one.id, header)
    end
  end
  local windows = string.match(one.starts, ',y([^/,]*)/')
  local starts = string.gsub(marked(other.header, how, its_name), ',y[^,]*', '')
  return header, windows and starts .. ',y' .. windows .. '/' .. its_name or starts
end
