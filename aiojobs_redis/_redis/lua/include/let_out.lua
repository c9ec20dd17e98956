-- let_out.lua: one parked job becomes queued again, at its old place.
-- It holds its slot from then on, so that nobody who comes later can take it.
-- Needs: record.lua, suspect.lua, waited.lua, scope.lua, allowance.lua; slots, blocked, runs, fair.
-- Gives: let_out(scope, member, rule, scores and ids).
local function let_out(scope, member, rule, flat)
  local holds, score, id = string.match(member, of_task(scope) and '^([01]),%d+,(%d+),(.*)$' or '^([01]),(%d+),(.*)$', #scope + 3)
  local run = read_run(redis.call('HGET', runs, id))
  redis.call('ZREM', slots, member)
  if not run or redis.call('ZREM', blocked, id) == 0 then
    return
  end
  if of_task(scope) and holds == '1' then
    redis.call('ZREM', slots, parked_members(scope, 'p', run.score, id, run.header))
  end
  local scopes, how, name = scopes_of(run.header)
  local place = scope == scopes[1] and 1 or scope == scopes[2] and 2 or 3
  how[place] = holds == '0' and 'h' or '-'
  if how[place] == '-' and rule and rule.concurrency then
    redis.call('ZADD', slots, 0, 'h' .. scope .. ',' .. id)
    counts[scope], how[place] = holders(scope) + 1, 'h'
  end
  run.header = marked(run.header, how, name, of_task(scope) and (option(run.header, 't') or int(tonumber(score))))
  run.state, run.score = 'q', ''
  redis.call('HSET', runs, id, write_run(run))
  score = int(tonumber(score))
  if run.lost >= 2 then
    make_suspect(score, id)
  else
    push(flat, fair and risen(score, run.header) or score, id)
  end
end
