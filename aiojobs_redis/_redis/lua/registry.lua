-- registry.lua: the workers of the queue that beat in the last minute.
-- Flags: allow-oom
-- KEYS[1] workers  KEYS[2] meta
-- Returns three a worker: name; "time in ms,info"; the word that it has not obeyed yet (ask_worker.lua), or empty
local workers, meta = KEYS[1], KEYS[2]
--@include now
local flat, found = redis.call('HGETALL', workers), {}
for i = 1, #flat, 2 do
  -- What is older goes with the janitor's round, which nobody makes where all workers have died.
  if now - (tonumber(string.match(flat[i + 1], '^%d+')) or 0) < 60000 then
    found[#found + 1], found[#found + 2] = flat[i], flat[i + 1]
    found[#found + 1] = redis.call('HGET', meta, 'word ' .. flat[i]) or ''
  end
end
return found
