-- scope.lua: what limits a job holds or waits for, option h of its run record: how it stands with its key, with its
-- task and key together, with its task, and the task's name. Slots are taken in this order by every job, so that no
-- two wait for each other. How: - not at all, h holds a slot, p parked, b both.
-- A scope is q, the queue; k and a key; b, a task, / and a key; or t and a task. slots has members of score 0:
-- "h<scope>,<id>" for a job that holds a slot, "p<scope>,<0 if it holds one, else 1>,<score>,<id>" for one that is parked.
-- Needs: record.lua; slots, opens. Gives: parked_member; scopes_named(header, name) -> the three scopes;
-- scopes_of(header) -> scopes, how, name; place_in(scopes, scope); marked(header, how, name) -> header;
-- let_go(id, run); tell_opens(); freed; member_of(id, run, scope, held) -> what slots has of it there, or nil.
local freed = {}
local function parked_member(scope, how, score, id)
  return 'p' .. scope .. ',' .. (how == 'b' and '0' or '1') .. ',' .. string.rep('0', 16 - #score) .. score .. ',' .. id
end
local function scopes_named(header, name)
  local key = option(header, 'g') or ''
  return { 'k' .. key, 'b' .. name .. '/' .. key, 't' .. name }
end
local function scopes_of(header)
  local of_key, of_both, of_task, name = string.match(header, ',h([-hpb])([-hpb])([-hpb])([^,]*)')
  return scopes_named(header, name or ''), { of_key or '-', of_both or '-', of_task or '-' }, name or ''
end
local function place_in(scopes, scope)
  for place, each in ipairs(scopes) do
    if each == scope then
      return place
    end
  end
end
local function marked(header, how, name)
  header = string.gsub(header, ',h[^,]*', '')
  local all = table.concat(how)
  return all == '---' and header or header .. ',h' .. all .. name
end
local function member_of(id, run, scope, held)
  local scopes, all = scopes_of(run.header)
  local how = all[place_in(scopes, scope)]
  if held then
    return (how == 'h' or how == 'b') and 'h' .. scope .. ',' .. id or nil
  end
  return (how == 'p' or how == 'b') and run.state == 'b' and parked_member(scope, how, run.score, id) or nil
end
-- Ends, or goes where it holds nothing: to wait for a time of its own, or for a worker that knows its task.
local function let_go(id, run)
  if not option(run.header, 'h') then
    return
  end
  local scopes, all = scopes_of(run.header)
  for place, how in ipairs(all) do
    if how == 'h' or how == 'b' then
      redis.call('ZREM', slots, 'h' .. scopes[place] .. ',' .. id)
      freed[scopes[place]] = true
    end
    if how == 'p' or how == 'b' then
      redis.call('ZREM', slots, parked_member(scopes[place], how, run.score, id))
    end
  end
  run.header = marked(run.header, { '-', '-', '-' }, '')
end
-- Whoever moves on what is due finds it there.
local function tell_opens()
  for scope in pairs(freed) do
    redis.call('ZADD', opens, 'LT', time, scope)
  end
  freed = {}
end
