-- post.lua: notes what other queues were told, and hands out what they are to be told next.
-- Flags: allow-oom
-- KEYS[1] jobs   KEYS[2] runs   KEYS[3] results  KEYS[4] errors  KEYS[5] edges  KEYS[6] flows
-- KEYS[7] meta
-- ARGV[1] who    hex, of the caller; for 2 s after its call others get nothing, but for one that begins with !, whose
-- caller has promised somebody that it is told at once
-- ARGV[2] after  last message of a page of which some were not taken, else empty
-- ARGV[3] ...    four a message that was taken: queue; id; stamp; 1 where that queue knows the job, else 0
-- Returns { number, a message queue, id, stamp (standing.lua), value ... }, up to 100 and 4 MiB with what is read for
-- them. Without a message nothing is left, or all that is was not taken.
-- A message whose job has gone on since it was handed out stays: its stamp is another by now.
local jobs, runs, results, errors, edges, flows, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local who, after = ARGV[1], ARGV[2]
--@include now
--@include types
--@include arguments
--@include record
--@include enqueued
--@include standing
require_arguments(2)
require_types({ jobs, runs, results, errors, flows, meta }, { edges })
if redis.call('HEXISTS', meta, 'schema') == 0 then
  return { time }
end
for i = 3, #ARGV, 4 do
  local queue, id, stamp, known = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3] == '1'
  local head = #id .. ':' .. id .. ','
  if standing(id) == stamp then
    redis.call('ZREM', edges, '>' .. queue .. ',' .. id, head .. 'c' .. queue)
    local ended = string.find(stamp, '[cdx]$')
    -- Of one that runs again a queue that knows it not stays too: somebody there may have come to wait for it since it
    -- said so, and the end, told once more, is soon crossed out.
    if ended then
      redis.call('ZREM', edges, head .. 'b' .. queue)
    end
    if known and ended and string.byte(id) ~= 255 then
      redis.call('ZADD', edges, 0, head .. 'g' .. queue)
    end
  end
end
local till, holder = string.match(redis.call('HGET', flows, 'h') or '0,', '^(%d+),(.*)$')
if holder ~= who and tonumber(till) >= now and string.sub(who, 1, 1) ~= '!' then
  return { time }
end
local found = redis.call('ZRANGE', edges, after == '' and '[>' or '(' .. after, '(?', 'BYLEX', 'LIMIT', 0, 100)
if #found == 0 then
  if after == '' then
    redis.call('HDEL', flows, 'h')
  end
  return { time }
end
redis.call('HSET', flows, 'h', int(now + 2000) .. ',' .. who)
local reply, size = { next_number() }, 0
for _, member in ipairs(found) do
  local queue, id = string.match(member, '^>([^,]*),(.*)$')
  local stamp, read = standing(id)
  local value = value_of(id, string.sub(stamp, -1))
  size = size + #value + read
  if size > 4194304 and #reply > 1 then
    break
  end
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4] = queue, id, stamp, value
end
return reply
