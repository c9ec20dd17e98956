-- abroad.lua: jobs of other queues on which some of this one depend. Each stands as a parent by a name that no id
-- can have: byte 255, its queue, a comma, its id. A gate, which opens once the whole of a flow was added, has byte
-- 255 in front of its id too.
-- In flows: o and a name "number,when it was enqueued,letter" as last told, q for one that has not ended; v and a name
-- its result or errors. In edges: "?name" of one whose end is still to be told.
-- Needs: flows. Gives: letter_abroad(name) -> nil for a job of this queue; which_one(text) -> when the job was enqueued
-- of which a text of flows or a stamp (standing.lua) tells, nil where it does not say; is_gate(name); called(name), as
-- messages call it.
local function letter_abroad(name)
  if string.byte(name) == 255 then
    return string.match(redis.call('HGET', flows, 'o' .. name) or '', ',(%a)$') or 'q'
  end
end
local function which_one(text)
  return string.match(text, ',(%w+),%a$')
end
local function is_gate(name)
  return string.byte(name) == 255 and string.find(name, ',\255', 1, true)
end
local function called(name)
  local queue, id = string.match(name, '^\255([^,]*),(.*)$')
  return is_gate(name) and 'the rest of the flow, in queue ' .. queue .. ',' or 'job ' .. (id and id .. ' of queue ' .. queue or name)
end
