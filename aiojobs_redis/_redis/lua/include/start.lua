-- start.lua: whether a job that was taken from ready may start by the limits of its key, its task and both.
-- A slot of the key is taken first, and held while the job waits for its task: so the jobs of a key keep their
-- order, and no two jobs wait for each other. A job that is let out of its task may find a limit of its key that was
-- set meanwhile, or a key that was closed: it gives back what it holds of later scopes, which others can use.
-- Needs: record.lua, rest.lua, scope.lua, allowance.lua, precedence.lua, task_of.lua; slots, opens, blocked, limited.
-- Gives: may_start(id, run, header, blob, score) -> the header to run with; nil, and the job is parked;
-- pass_on(header, blob), where it ends instead.
local function hold_back(id, run, header, score, scope, how)
  run = run or new_run(header)
  run.state, run.score, run.fence, run.nonce, run.header = 'b', score, '', '', header
  push(records, id, write_run(run))
  redis.call('ZADD', blocked, time, id)
  add_parked(scope, how, score, id, header)
  note_parked(scope, how, tonumber(of_task(scope) and option(header, 't') or score), score)
  local at = open_at(scope, rule_of(scope))
  if at > now then
    redis.call('ZADD', opens, 'LT', int(at), scope)
  end
end
-- Where a window lets out as many as may start, another one goes instead of who does not, if there is any.
local function leave_room(scopes, rules_of, first)
  for place = first, 3 do
    local scope, rule = scopes[place], rules_of[place]
    if rule and rule.count and room_of(scope, rule) >= 1 and somebody(scope) then
      freed[scope] = true
    end
  end
end
local function give_back(id, scopes, how, place)
  for later = place + 1, 3 do
    local scope = scopes[later]
    if how[later] == 'h' then
      redis.call('ZREM', slots, 'h' .. scope .. ',' .. id)
      counts[scope], freed[scope], how[later] = counts[scope] and counts[scope] - 1, true, '-'
    end
  end
end
local function limits_of(header, blob)
  local scopes, how, name = scopes_of(header, string.find(limited, '[bt]') and task_of(header, blob) or nil)
  local rules_of = { scopes[1] ~= 'k' and rule_of(scopes[1]), false, name ~= '' and rule_of(scopes[3]) }
  rules_of[2] = scopes[1] ~= 'k' and name ~= '' and string.find(limited, 'b', 1, true) and rule_of(scopes[2])
  return scopes, how, name, rules_of
end
-- It ends instead of starting.
local function pass_on(header, blob)
  local scopes, _, _, rules_of = limits_of(header, blob)
  for _, scope in ipairs(scopes) do
    -- What it holds goes with it.
    counts[scope] = nil
  end
  leave_room(scopes, rules_of, 1)
end
local function may_start(id, run, header, blob, score)
  local scopes, how, name, rules_of = limits_of(header, blob)
  for place, scope in ipairs(scopes) do
    local rule, full = rules_of[place], false
    if rule and rule.concurrency and how[place] == 'h' and holders(scope) > rule.concurrency then
      -- The limit was lowered since it got its slot.
      redis.call('ZREM', slots, 'h' .. scope .. ',' .. id)
      counts[scope], how[place] = counts[scope] - 1, '-'
    end
    if rule and how[place] ~= 'h' then
      full = rule.concurrency and holders(scope) >= rule.concurrency
      if not full and room_of(scope, rule) >= 1 and somebody_before(scope, header, score) then
        full, freed[scope] = true, true
      elseif not full and rule.concurrency then
        redis.call('ZADD', slots, 0, 'h' .. scope .. ',' .. id)
        counts[scope], how[place] = counts[scope] + 1, 'h'
      end
    end
    if full or rule and room_of(scope, rule) < 1 then
      give_back(id, scopes, how, place)
      leave_room(scopes, rules_of, place + 1)
      how[place] = how[place] == 'h' and 'b' or 'p'
      local turn = int(turn_in(scope, header, score))
      score = of_task(scope) and score or turn
      hold_back(id, run, marked(header, how, name, turn ~= score and turn), score, scope, how[place])
      return nil
    end
  end
  -- That of the queue counts all of a claim at once.
  local whole = rule_of('q')
  local counted = whole and whole.count and 'q' or ''
  for place, scope in ipairs(scopes) do
    if rules_of[place] and rules_of[place].count then
      count_start(scope, rules_of[place])
      counted = counted .. string.sub(scope, 1, 1)
    end
  end
  header = string.gsub(marked(header, how, name), ',y[^,]*', '')
  return counted == '' and header or header .. ',y' .. counted .. '/' .. name
end
