-- wait_abroad.lua: a new job waits for one of another queue, whatever was told of that one before.
-- It may have been of a job that had its id before, or it runs again by now. So the new child waits until it is told
-- anew: the producer asks for it in the same enqueue, and where it dies before that, the leader does (asking.lua).
-- Until it is told anew, older children read on what they were told; for whoever waits, the parent has not ended while
-- it is asked for (letters_of).
-- A telling that was sent before the child came and is late has a number below the floor, which the producer has from
-- the other queue: whoever that one told of, and whether older children still wait, it changes nothing any more. One
-- that it takes for late is made up for, since the parent is asked for.
-- Needs: int, netstring.lua, record.lua, flows, edges. Gives: load_floors(text), queues and their floors in turn, as
-- netstrings; wait_abroad(parent, members, fields), which notes what to write.
local floors = {}
local function load_floors(text)
  local flat = unpack_ids(text)
  for i = 1, #flat, 2 do
    floors[flat[i]] = tonumber(flat[i + 1])
  end
end
local function wait_abroad(parent, members, fields)
  local before = redis.call('HGET', flows, 'o' .. parent)
  local number, rest = string.match(before or '0,,q', '^(%d+)(,.*)$')
  local raise = before and not redis.call('ZSCORE', edges, '?' .. parent) and 1 or 0
  local floor = floors[string.match(parent, '^\255([^,]*),')] or 0
  push(fields, 'o' .. parent, int(math.max(number + raise, floor)) .. rest)
  push(members, 0, '?' .. parent)
end
