-- expect.lua: another queue waits for the end of jobs of this one, and hears which have ended already.
-- Flags: allow-oom
-- KEYS[1] jobs   KEYS[2] runs   KEYS[3] results  KEYS[4] errors  KEYS[5] edges  KEYS[6] flows
-- KEYS[7] meta
-- ARGV[1] queue  its name   ARGV[2] 1 to read values too   ARGV[3] ...  ids, and gates (abroad.lua)
-- Returns { number, an id its letter, value ... }: q not ended, g no such job, w a gate that is not open, c one that is;
-- of a job that has ended c, d, x, or with values its stamp (standing.lua). Ids beyond 4 MiB of values, and of what is
-- read for stamps, are left out, the first never is. Asked again, the answer is that of now.
local jobs, runs, results, errors, edges, flows, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local queue = ARGV[1]
--@include now
--@include types
--@include arguments
--@include record
--@include enqueued
--@include standing
require_arguments(2)
require_types({ jobs, runs, results, errors, flows, meta }, { edges })
if redis.call('HEXISTS', meta, 'schema') == 0 then
  local reply = { time }
  for i = 3, #ARGV do
    reply[2 * i - 4], reply[2 * i - 3] = string.byte(ARGV[i]) == 255 and 'w' or 'g', ''
  end
  return reply
end
local reply, size = { next_number() }, 0
for i = 3, #ARGV do
  local id = ARGV[i]
  local gate, head = string.byte(id) == 255, #id .. ':' .. id .. ','
  local letter = not gate and letter_now(id)
  if gate then
    letter = redis.call('ZSCORE', edges, '>' .. queue .. ',' .. id) and 'c' or 'w'
  elseif letter == 'q' then
    -- An edge of an end is that of another job, which had this id before.
    redis.call('ZREM', edges, head .. 'c' .. queue, head .. 'g' .. queue)
    redis.call('ZADD', edges, 0, head .. 'b' .. queue)
  elseif letter ~= 'g' and not redis.call('ZSCORE', edges, head .. 'c' .. queue) then
    redis.call('ZREM', edges, head .. 'b' .. queue)
    redis.call('ZADD', edges, 0, head .. 'g' .. queue)
  end
  local stamp, read, value = letter, 0, ''
  if ARGV[2] == '1' then
    value = value_of(id, letter)
    if not gate and string.find('cdx', letter, 1, true) then
      stamp, read = standing(id)
    end
  end
  size = size + #value + read
  if size > 4194304 and #reply > 1 then
    break
  end
  reply[#reply + 1], reply[#reply + 2] = stamp, value
end
return reply
