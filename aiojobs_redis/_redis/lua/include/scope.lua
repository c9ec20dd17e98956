-- scope.lua: what limits a job holds or waits for, option h of its run record: how it stands with its key, with its
-- task and key together, with its task, and the task's name. Slots are taken in this order by every job, so that no
-- two wait for each other. How: - not at all, h holds a slot, p parked, b both.
-- A scope is q, the queue; k and a key; b, a task, / and a key; or t and a task. slots has members of score 0:
-- "h<scope>,<id>" for a job that holds a slot, "p<scope>,<0 if it holds one, else 1>,<score>,<id>" for one that is parked;
-- of a task "p<scope>,<0 or 1>,<turn>,<score>,<id>", and without a slot "u<scope>,<key>,<score>,<turn>,<id>" too (lot.lua).
-- Needs: record.lua; slots, opens. Gives: of_task(scope); padded(score); parked_members(scope, how, score, id, header) -> what slots has of
-- one that is parked; add_parked, likewise, writes them; scopes_of(header, name if it is known) -> scopes, how, name; marked(header, how, name, turn or nil) ->
-- header; let_go(id, run); tell_opens(); freed; is_member(member, kind, id, run, scope) -> whether slots is to have it.
local freed = {}
local function of_task(scope)
  return string.sub(scope, 1, 1) == 't'
end
local function padded(score)
  return string.rep('0', 16 - #score) .. score
end
local function parked_members(scope, how, score, id, header)
  local head, place = 'p' .. scope .. ',' .. (how == 'b' and '0' or '1') .. ',', padded(score) .. ','
  if not of_task(scope) then
    return head .. place .. id
  end
  local turn = padded(option(header, 't') or score) .. ','
  if how == 'b' then
    return head .. turn .. place .. id
  end
  return head .. turn .. place .. id, 'u' .. scope .. ',' .. (option(header, 'g') or '') .. ',' .. place .. turn .. id
end
local function add_parked(scope, how, score, id, header)
  for _, member in ipairs({ parked_members(scope, how, score, id, header) }) do
    redis.call('ZADD', slots, 0, member)
  end
end
local function scopes_of(header, name)
  local key, of_key, of_both, of_it, noted = option(header, 'g') or '', string.match(header, ',h([-hpb])([-hpb])([-hpb])([^,]*)')
  name = name or noted or ''
  return { 'k' .. key, 'b' .. name .. '/' .. key, 't' .. name }, { of_key or '-', of_both or '-', of_it or '-' }, name
end
local function marked(header, how, name, turn)
  header = string.gsub(string.gsub(header, ',h[^,]*', ''), ',t%d*', '') .. (turn and ',t' .. turn or '')
  local all = table.concat(how)
  return all == '---' and header or header .. ',h' .. all .. name
end
local function is_member(member, kind, id, run, scope)
  local scopes, all = scopes_of(run.header)
  local how = scope == scopes[1] and all[1] or scope == scopes[2] and all[2] or scope == scopes[3] and all[3]
  if kind == 'h' then
    return how == 'h' or how == 'b'
  end
  if how ~= 'p' and how ~= 'b' or run.state ~= 'b' then
    return false
  end
  local first, second = parked_members(scope, how, run.score, id, run.header)
  return member == first or member == second
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
      redis.call('ZREM', slots, parked_members(scopes[place], how, run.score, id, run.header))
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
