-- hear.lua: this queue is told of jobs of others, on which some of its own depend.
-- Flags: allow-oom
-- KEYS[1] jobs      KEYS[2] runs      KEYS[3] ready     KEYS[4] suspects   KEYS[5] scheduled
-- KEYS[6] blocked   KEYS[7] completed KEYS[8] kept      KEYS[9] cancelled  KEYS[10] dead
-- KEYS[11] results  KEYS[12] errors   KEYS[13] waiters  KEYS[14] stats     KEYS[15] events
-- KEYS[16] meta     KEYS[17] extras   KEYS[18] slots    KEYS[19] opens     KEYS[20] wake
-- KEYS[21] due      KEYS[22] tags     KEYS[23] edges    KEYS[24] flows     KEYS[25] unique
-- KEYS[26] followers
-- ARGV[1] ...  four a job: name (abroad.lua); number, which grows with each telling; stamp (standing.lua), or its letter
-- alone; result or errors
-- Returns { a digit a job: 1 it is known here, 0 nobody here depends on it; unreported (unreported.lua) }
-- What comes late, after a later telling, changes nothing. What the children do about it is done by release.lua.
-- Who died of another job that had the same id is not revived: of a thousand that is noted at once, of more with the
-- next tellings, and until then for this queue the job is the other one.
local jobs, runs, ready, suspects, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local blocked, completed, kept, cancelled, dead = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local results, errors, waiters, stats, events = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local meta, extras, slots, opens, wake = KEYS[16], KEYS[17], KEYS[18], KEYS[19], KEYS[20]
local due, tags, edges, flows, unique, followers = KEYS[21], KEYS[22], KEYS[23], KEYS[24], KEYS[25], KEYS[26]
--@include now
--@include types
--@include arguments
--@include state
--@include record
--@include ranked
--@include front
--@include ready
--@include fair
--@include peek until_due
--@include netstring
--@include tally
--@include flowing
--@include among edges
--@include outbox
--@include unique
--@include following
--@include follow
--@include evict
--@include scope
--@include depart
--@include line
--@include rest
--@include settle
--@include abroad
--@include named again_as_new rejoin
--@include enqueued
--@include died_of policy
--@include revive
--@include release
require_arguments(math.max(4, math.ceil(#ARGV / 4) * 4))
require_types({ jobs, runs, results, errors, stats, extras, flows }, { ready, suspects, scheduled, blocked, completed, kept, cancelled, dead, slots, opens, wake, due, edges }, { events })
local answer, room = '', MOST_EDGES
for i = 1, #ARGV, 4 do
  local name, number, stamp, value = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3]
  local known = schema and flowing and #children(name, 'a', 'l', 1) > 0
  answer = answer .. (known and '1' or '0')
  local before = redis.call('HGET', flows, 'o' .. name) or '0'
  if known and number >= tonumber(string.match(before, '^%d+')) then
    local letter, was, is = string.sub(stamp, -1), which_one(before), which_one(stamp)
    if was and is and was ~= is then
      redis.call('ZREM', edges, '+' .. name)
      room = room - let_be(name, children(name, 'k', 'l', room))
      is = #children(name, 'k', 'l', 1) == 0 and is or was
    elseif (letter == 'q' or letter == 'c') and #children(name, 'k', 'l', 1) > 0 then
      -- It runs again, or has by now, and so will those that ended because of it.
      redis.call('ZADD', edges, 0, '+' .. name)
    end
    redis.call('HSET', flows, 'o' .. name, ARGV[i + 1] .. ',' .. (is or was or '') .. ',' .. letter)
    if letter == 'q' then
      redis.call('HDEL', flows, 'v' .. name)
      if #children(name, 'a', 'b', 1) > 0 then
        redis.call('ZADD', edges, 0, '?' .. name)
      end
    else
      redis.call('HSET', flows, 'v' .. name, value)
      redis.call('ZREM', edges, '?' .. name)
      redis.call('ZADD', edges, 0, '!' .. name)
    end
  end
end
--@include pass_on unreported
return { answer, unreported or nil }
