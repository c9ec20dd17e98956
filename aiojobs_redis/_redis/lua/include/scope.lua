-- scope.lua: what limits a job holds or waits for, option h of its run record: how it stands with its key, with its
-- task and key together, with its task, and the task's name. Slots are taken in this order by every job, so that no
-- two wait for each other. How: - not at all, h holds a slot, p parked, b both.
-- A scope is q, the queue; k and a key; b, a task, / and a key; or t and a task. slots has members of score 0:
-- "h<scope>,<id>" for a job that holds a slot, "p<scope>,<0 if it holds one, else 1>,<score>,<id>" for one that is parked.
-- Needs: record.lua; slots, opens. Gives: parked_member; scopes_of(header, name if it is known) -> scopes, how, name;
-- marked(header, how, name) -> header; let_go(id, run); tell_opens(); freed; member_of(id, run, scope, held) -> what slots has of it there, or nil.
local freed = {}
local function parked_member(scope, how, score, id)
  return 'p' .. scope .. ',' .. (how == 'b' and '0' or '1') .. ',' .. string.rep('0', 16 - #score) .. score .. ',' .. id
end
local function scopes_of(header, name)
  local key, of_key, of_both, of_task, noted = option(header, 'g') or '', string.match(header, ',h([-hpb])([-hpb])([-hpb])([^,]*)')
  name = name or noted or ''
  return { 'k' .. key, 'b' .. name .. '/' .. key, 't' .. name }, { of_key or '-', of_both or '-', of_task or '-' }, name
end
local function marked(header, how, name)
  header = string.gsub(header, ',h[^,]*', '')
  local all = table.concat(how)
  return all == '---' and header or header .. ',h' .. all .. name
end
local function member_of(id, run, scope, held)
  local scopes, all = scopes_of(run.header)
  local how = scope == scopes[1] and all[1] or scope == scopes[2] and all[2] or scope == scopes[3] and all[3]
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
