-- outbox.lua: what other queues are to be told of jobs of this one: that they have ended, or run again.
-- Members of edges: "length:id," and b queue: it waits for the end of the job; c: it is to be told of it; g: it
-- was. ">queue,id": it is to be told how the job is now. In flows: # the number of the last message; h "until,who"
-- hands them over. Needs: now, edges.lua; flows. Gives: put_out(id, most), which notes that queues are to be told
-- of its end, and returns of how many; to_send(), whether a queue is to be told; left_to_send(), whether somebody is
-- to hand over: nobody does at the moment.
local function put_out(id, most)
  local queues = children(id, 'b', 'c', most)
  for _, queue in ipairs(queues) do
    redis.call('ZREM', edges, edge(id, 'b', queue))
    redis.call('ZADD', edges, 0, edge(id, 'c', queue), 0, '>' .. queue .. ',' .. id)
  end
  return #queues
end
local function to_send()
  return flowing and redis.call('ZRANGE', edges, '[>', '(?', 'BYLEX', 'LIMIT', 0, 1)[1]
end
local function left_to_send()
  return to_send() and now > tonumber(string.match(redis.call('HGET', flows, 'h') or '0', '^%d+'))
end
