-- wait_abroad.lua: a new job waits for one of another queue, whatever was told of that one before.
-- It may have been of a job that had its id before, or it runs again by now. So the new child waits until it is told
-- anew: the producer asks for it in the same enqueue, and where it dies before that, the leader does (asking.lua).
-- A telling that was sent before the child came and is late has a lower number. Until it is told anew, older
-- children read on what they were told; for whoever waits, the parent has not ended while it is asked for
-- (letters_of).
-- Needs: int, record.lua, flows, edges. Gives: wait_abroad(parent, members, fields), which notes what to write.
local function wait_abroad(parent, members, fields)
  local number, rest = string.match(redis.call('HGET', flows, 'o' .. parent) or '', '^(%d+)(,.*)$')
  if not number then
    push(fields, 'o' .. parent, '0,,q')
  elseif not redis.call('ZSCORE', edges, '?' .. parent) then
    push(fields, 'o' .. parent, int(number + 1) .. rest)
  end
  push(members, 0, '?' .. parent)
end
