-- flowing.lua: whether the queue has flows, and which jobs ended in this script: their children are to be told.
-- Needs: edges, flows; and edges.lua where flowing.
-- Gives: flowing; ended, the ids that ended, in order, and by id the letter of their state; told, those of them
-- whose children were told; killers, by child the parent that it died of, '' for one that is gone.
local flowing = redis.call('ZCARD', edges) > 0
local ended, told, killers = {}, {}, {}
if flowing then
  redis.call('HLEN', flows)
end
