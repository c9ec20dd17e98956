-- uncount.lua: a start is taken back out of the windows of rates.
-- Only of those in which may_start() counted it (option y): a rate that was set since has not. Whoever waits for room there
-- finds it.
-- Needs: record.lua, allowance.lua, scope.lua. Gives: uncount(run).
local function uncount_start(scope, rule, at)
  local window = window_of(scope, rule)
  for i, each in ipairs(window.ticks) do
    if each[1] == math.floor(at / window.size) then
      each[2], window.total, window.new, freed[scope] = each[2] - 1, window.total - 1, true, true
      if each[2] == 0 then
        table.remove(window.ticks, i)
      end
      return
    end
  end
end
local function uncount(run)
  local letters, name = string.match(run.header, ',y(%a+)/([^,]*)')
  local scopes = scopes_of(run.header, name)
  local scope_of = { k = scopes[1], b = scopes[2], t = scopes[3], q = 'q' }
  for letter in string.gmatch(letters or '', '%a') do
    local rule = rule_of(scope_of[letter])
    if rule and rule.count then
      uncount_start(scope_of[letter], rule, tonumber(run.started))
    end
  end
end
