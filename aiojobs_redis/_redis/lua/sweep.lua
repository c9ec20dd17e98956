-- sweep.lua: the janitor's round: what has outlived its retention goes, a few of each kind a call.
-- Flags: allow-oom
-- KEYS[1] jobs       KEYS[2] runs      KEYS[3] blocked  KEYS[4] completed  KEYS[5] kept
-- KEYS[6] cancelled  KEYS[7] dead      KEYS[8] results  KEYS[9] errors     KEYS[10] unknown
-- KEYS[11] ops       KEYS[12] producers KEYS[13] rates   KEYS[14] waiters  KEYS[15] stats
-- KEYS[16] events    KEYS[17] workers   KEYS[18] unique  KEYS[19] meta      KEYS[20] extras
-- KEYS[21] once      KEYS[22] once_ends KEYS[23] starts  KEYS[24] tags      KEYS[25] limits
-- KEYS[26] slots     KEYS[27] opens     KEYS[28] edges   KEYS[29] flows     KEYS[30] followers
-- KEYS[31] scheduled KEYS[32] due       KEYS[33] ready
-- ARGV[1] most  a kind  ARGV[2..6] cursors of ops, producers, workers, stats, unique from the last call, or 0
-- ARGV[7] 1 when Redis is nearly full: finished jobs that nobody waits for then keep nothing; else 0
-- Returns { removed, dead jobs, cursors, ids of jobs parked for too long, dead now, unique keys that nobody
-- held any more, unreported (unreported.lua) }; removed = most or more, or over 100 keys: there may be more to do at once
local jobs, runs, blocked, completed, kept = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local cancelled, dead, results, errors, unknown = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local ops, producers, rates, waiters, stats = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local events, workers, unique, meta, extras = KEYS[16], KEYS[17], KEYS[18], KEYS[19], KEYS[20]
local once, once_ends, starts, tags, limits = KEYS[21], KEYS[22], KEYS[23], KEYS[24], KEYS[25]
local slots, opens, edges, flows, followers = KEYS[26], KEYS[27], KEYS[28], KEYS[29], KEYS[30]
local scheduled, due, ready = KEYS[31], KEYS[32], KEYS[33]
local most = tonumber(ARGV[1])
--@include now types arguments state
if not schema then
  return { 0, 0, { '0', '0', '0', '0', '0' }, {}, 0 }
end
--@include record ranked netstring tally peek flowing among edges unique following follow evict scope
--@include depart line rest settle abroad waiting unknown parked vacate drop_old once starts since oldest
require_arguments(6)
require_types({ jobs, runs, results, errors, ops, producers, stats, workers, unique, extras, once, tags, limits, starts }, { slots, opens, blocked, completed, kept, cancelled, dead, unknown, rates, once_ends, ready }, { events })
if ARGV[7] == '1' then
  redis.call('HSET', meta, 'tight', '1')
elseif tight then
  redis.call('HDEL', meta, 'tight')
end
local SEEN, ANSWERED, COUNTED = 60000, 600000, 172800000
local removed = evict(completed, now - KEEP_RESULT, most) + evict(kept, now, most)
removed = removed + evict(cancelled, now - KEEP_RESULT, most) + evict(dead, now - KEEP_DEAD, most)
local given_up = look_at_parked(most)
removed = removed + #given_up
settle()
--@include unreported
publish()
local full = redis.call('ZRANGE', rates, '-inf', int(now * 1000), 'BYSCORE', 'LIMIT', 0, most)
if #full > 0 then
  removed = removed + redis.call('ZREM', rates, unpack(full))
end
removed = removed + forget_onces(most)
drop_gone(1000)
-- Where all jobs have ended no key has had more than its turn; weights stay. As long as one has not, its key may come
-- to want a turn, and exchange_plain.lua gives none.
local ended_jobs = redis.call('ZCARD', completed) + redis.call('ZCARD', kept) + redis.call('ZCARD', cancelled) + redis.call('ZCARD', dead)
if redis.call('HLEN', jobs) <= ended_jobs and redis.call('HEXISTS', tags, 'scale') == 0 then
  redis.call('UNLINK', tags)
end
local parked = limited and redis.call('ZLEXCOUNT', slots, '[p', '(q') or 0
-- Nothing waits for ever: whatever else was missed is found here.
if parked > 0 then
  redis.call('ZADD', opens, 'LT', time, '*')
elseif limited and redis.call('HLEN', limits) + redis.call('ZLEXCOUNT', slots, '[h', '(i') + redis.call('ZCARD', opens) == 0 then
  redis.call('HDEL', meta, 'limits')
end
-- Once a minute, so that there is a history of it whoever looked.
local sample = int(math.floor(now / 60000)) .. ',,oldest'
if redis.call('HEXISTS', stats, sample) == 0 then
  redis.call('HSET', stats, sample, int(math.max(0, oldest_wait())))
end
local next_key, vacated = vacate(ARGV[6])
local cursors = {
  drop_old(ops, ARGV[2], '^%d+,(%d+)', now - ANSWERED),
  drop_old(producers, ARGV[3], '^%d+,(%d+)', now - SEEN),
  drop_old(workers, ARGV[4], '^(%d+)', now - SEEN),
  drop_old(stats, ARGV[5], '^(%d+)', (now - COUNTED) / 60000, true),
  next_key,
}
if behind then
  removed = math.max(removed, most)
end
return { removed, redis.call('ZCARD', dead), cursors, given_up, vacated, unreported or nil }
