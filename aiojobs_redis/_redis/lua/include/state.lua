-- state.lua: what meta says of the queue. A queue without a schema does not exist: it was never
-- used, or destroyed, and no script of a worker brings it back.
-- Needs: meta. Gives: schema, paused, big, tight, beat, hold, queue_state (8: caps, 9: ageing); limited, by which
-- kinds of scopes there are limits, or false; kinds, those and what this script brings; ranked, whether a job may have a rank.
local queue_state = redis.call('HMGET', meta, 'schema', 'paused', 'big', 'tight', 'beat', 'hold', 'limits', 'caps', 'ageing', 'ranked')
local schema, paused, big, tight = queue_state[1], queue_state[2], queue_state[3], queue_state[4]
local beat, hold = tonumber(queue_state[5] or 0), tonumber(queue_state[6] or 0)
local limited, kinds, ranked = queue_state[7], queue_state[7] or '', queue_state[10]
