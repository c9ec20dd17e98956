-- scope.lua: what limits a job holds or waits for, option h of its run record: how it stands with its key, how with
-- its task, the task's name. How: - not at all, h holds a slot, p parked, b both.
-- A scope is q, the queue; k and a key; or t and a task. slots has members of score 0: "h<scope>,<id>" for a
-- job that holds a slot, "p<scope>,<0 if it holds one, else 1>,<score>,<id>" for one that is parked.
-- Needs: record.lua; slots, opens. Gives: parked_member, scopes_of(header) -> key's, task's, how, how, name;
-- marked(header, how, how, name) -> header; let_go(id, run); tell_opens(); freed;
-- member_of(id, run, scope, held) -> what slots has of it there, or nil.
local freed = {}
local function parked_member(scope, how, score, id)
  return 'p' .. scope .. ',' .. (how == 'b' and '0' or '1') .. ',' .. string.rep('0', 16 - #score) .. score .. ',' .. id
end
local function scopes_of(header)
  local of_key, of_task, name = string.match(header, ',h([-hpb])([-hpb])([^,]*)')
  return 'k' .. (option(header, 'g') or ''), 't' .. (name or ''), of_key or '-', of_task or '-', name or ''
end
local function marked(header, of_key, of_task, name)
  header = string.gsub(header, ',h[^,]*', '')
  return of_key .. of_task == '--' and header or header .. ',h' .. of_key .. of_task .. name
end
local function member_of(id, run, scope, held)
  local key, task, of_key, of_task = scopes_of(run.header)
  local how = scope == key and of_key or scope == task and of_task
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
  local key, task, of_key, of_task = scopes_of(run.header)
  for scope, how in pairs({ [key] = of_key, [task] = of_task }) do
    if how == 'h' or how == 'b' then
      redis.call('ZREM', slots, 'h' .. scope .. ',' .. id)
      freed[scope] = true
    end
    if how == 'p' or how == 'b' then
      redis.call('ZREM', slots, parked_member(scope, how, run.score, id))
    end
  end
  run.header = marked(run.header, '-', '-', '')
end
-- Whoever moves on what is due finds it there.
local function tell_opens()
  for scope in pairs(freed) do
    redis.call('ZADD', opens, 'LT', time, scope)
  end
  freed = {}
end
