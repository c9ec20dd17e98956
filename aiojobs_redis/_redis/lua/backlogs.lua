-- backlogs.lua: where limits hold jobs back, and how many.
-- Flags: allow-oom
-- KEYS[1] slots
-- ARGV[1] scope after which to go on, empty to begin  ARGV[2] most scopes, at most 250
-- Returns for each scope, as limit.lua has it: scope, jobs that hold a slot, jobs that are held back
-- It steps from scope to scope, so that 10,000 jobs of one cost no more than one.
local slots = KEYS[1]
local after, most = ARGV[1] == '' and '[p' or '(p' .. ARGV[1] .. '-', tonumber(ARGV[2])
local found = {}
for _ = 1, most do
  local member = redis.call('ZRANGE', slots, after, '(q', 'BYLEX', 'LIMIT', 0, 1)[1]
  if not member then
    break
  end
  local scope, count = string.match(member, '^p([^,]*)'), #found
  found[count + 1] = scope
  found[count + 2] = redis.call('ZLEXCOUNT', slots, '[h' .. scope .. ',', '(h' .. scope .. '-')
  found[count + 3] = redis.call('ZLEXCOUNT', slots, '[p' .. scope .. ',', '(p' .. scope .. '-')
  after = '(p' .. scope .. '-'
end
return found
