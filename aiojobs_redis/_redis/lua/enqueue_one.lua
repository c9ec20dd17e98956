-- enqueue_one.lua: add one job without options, the usual call of a web process; else as enqueue.lua.
-- KEYS[1] jobs   KEYS[2] ready   KEYS[3] wake  KEYS[4] producers  KEYS[5] stats  KEYS[6] events
-- KEYS[7] meta
-- ARGV[1] incarnation  hex, of the producer   ARGV[2] counter  integer, one higher a call
-- ARGV[3] id           ARGV[4] task           ARGV[5] spec, under 16,000 bytes
-- Returns { OK, flags } | { STALE } | { NONE }: there is no such queue yet, and nothing was written
-- Why no allow-oom: as enqueue.lua.
-- Why nothing is checked first: looking at each key's type would be a third of the script. Instead each
-- write that may be refused is undone where a later one was.
local jobs, ready, wake, producers, stats, events = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local meta = KEYS[7]
local incarnation, counter, id, task, spec = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
--@include now
--@include moment
local last, flag = string.match(redis.call('HGET', producers, incarnation) or '', '^(%d+),%d+,(%d*)')
if last and tonumber(counter) < tonumber(last) then
  return { 'STALE' }
end
if last and counter == last then
  -- Without a write of its own, a WAIT on this connection would not wait (confirmation.py).
  redis.call('HSET', producers, incarnation, counter .. ',' .. time .. ',' .. flag)
  return { 'OK', flag }
end
local paused = redis.call('HGET', meta, 'paused')
flag = '0'
if redis.call('HSETNX', jobs, id, ',e' .. base36(now) .. '\n' .. spec) == 1 then
  flag = '1'
  local place = redis.pcall('HINCRBY', meta, 'sequence', 1)
  local failed = type(place) == 'table'
  if failed or place == 1 then
    -- Only where there is no queue does it begin at 1: open.lua begins far above.
    redis.call('HDEL', jobs, id)
    return failed and place or redis.call('HDEL', meta, 'sequence') and { 'NONE' }
  end
  local field = int(math.floor(now / 60000)) .. ',' .. task .. ',enqueued'
  local score = int(4499201580859392 + math.min(place, 4398046511103))
  local rung = paused and 0 or redis.pcall('ZADD', wake, 0, '1')
  local added = type(rung) == 'table' and rung or redis.pcall('ZADD', ready, score, id)
  local counted = type(added) == 'table' and added or redis.pcall('HINCRBY', stats, field, 1)
  local told = type(counted) == 'table' and counted
    or redis.pcall('XADD', events, 'MAXLEN', '~', 2000, '*', 'enqueued,' .. task, #id .. ':' .. id)
  if type(told) == 'table' then
    if counted == 1 then
      redis.call('HDEL', stats, field)
    elseif type(counted) == 'number' then
      redis.call('HINCRBY', stats, field, -1)
    end
    if added == 1 then
      redis.call('ZREM', ready, id)
    end
    if rung == 1 then
      redis.call('ZREM', wake, '1')
    end
    redis.call('HINCRBY', meta, 'sequence', -1)
    redis.call('HDEL', jobs, id)
    return told
  end
  if counted == 1 then
    local minute = string.match(field, '^%d+')
    local listed = redis.call('HGET', stats, minute) or ''
    if not string.find(listed .. ',', ',' .. task .. ',', 1, true) then
      redis.call('HSET', stats, minute, listed .. ',' .. task)
    end
  end
end
if flag == '0' then
  redis.call('XADD', events, 'MAXLEN', '~', 2000, '*', 'duplicated', #id .. ':' .. id)
end
redis.call('HSET', producers, incarnation, counter .. ',' .. time .. ',' .. flag)
return { 'OK', flag }
