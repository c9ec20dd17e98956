-- checked.lua: the types of what an exchange may write to, and when something is next to be done.
-- What only a lost lease, a parked job or another end than a success can reach is looked at where there may be one.
-- Needs: types.lua, codes.lua, peek.lua, suspect.lua, evict.lua, next_due. Gives: due_at, tick_at, lease_end (ms, -1 for
-- none); reclaims; queued, how many were in ready.
local due_at, tick_at, lease_end = next_due(), soonest(ticks), soonest(leases)
local reclaims = lease_end >= 0 and lease_end < now
local others = otherwise or reclaims or flowing or limited or following or queue_state[8] or #ARGV >= adopted
-- Completions are looked up in runs before anything is written.
require_types({ jobs, results, errors, stats }, { kept, dead, wake }, { events })
if completions == 0 then
  require_types({ runs }, {})
end
if naming then
  redis.call('HLEN', flows)
end
local queued = redis.call('ZCARD', ready)
suspected = redis.call('ZCARD', suspects) > 0
sizes[extras], sizes[completed] = redis.call('HLEN', extras), redis.call('ZCARD', completed)
if others then
  require_types({}, { blocked, cancelled, unknown, due })
  -- In a flow more goes than this script lays to rest.
  sizes[completed] = nil
end
