-- checked.lua: the types of what an exchange may write to, and when something is next to be done.
-- What only a lost lease, a parked job or another end than a success can reach is looked at where there may be one.
-- Needs: types.lua, arguments.lua, peek.lua, suspect.lua, evict.lua, next_due, shut. Gives: adopted, where the names of parked
-- tasks begin; due_at, tick_at, lease_end (ms, -1 for none); reclaims; queued, how many were in ready.
local adopted = 10 + task_count + 5 * completions
require_arguments(adopted - 1)
local due_at, tick_at, lease_end = next_due(), soonest(ticks), soonest(leases)
local reclaims = lease_end >= 0 and lease_end < now
local others = reclaims or flowing or limited or following or queue_state[8] or #ARGV >= adopted
-- The byte l: a completion that closes a limit, for which a plain script has nothing.
local CLOSES = 108
local word
for at = 12 + task_count, adopted - 1, 5 do
  if ARGV[at] ~= word then
    -- A success has the number of its task, or c before it.
    word = ARGV[at]
    if not shut and string.byte(word) == CLOSES then
      return { 'WHOLE', now, -1, -1, {}, {} }
    end
    others = others or string.find(word, '^[^%dc]')
  end
end
-- Completions are looked up in runs before anything is written.
require_types({ jobs, results, errors, stats }, { kept, dead, wake }, { events })
if completions == 0 then
  require_types({ runs }, {})
end
local queued = redis.call('ZCARD', ready)
suspected = redis.call('ZCARD', suspects) > 0
sizes[extras], sizes[completed] = redis.call('HLEN', extras), redis.call('ZCARD', completed)
if others then
  require_types({}, { blocked, cancelled, unknown, due })
  -- In a flow more goes than this script lays to rest.
  sizes[completed] = nil
end
