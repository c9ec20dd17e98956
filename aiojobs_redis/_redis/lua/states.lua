-- states.lua: the state of each of up to 1,000 jobs.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs
-- ARGV[1] ...   ids
-- Returns a state letter an id, empty for no such job
local jobs, runs = KEYS[1], KEYS[2]
local texts, found = redis.call('HMGET', runs, unpack(ARGV)), {}
for i, id in ipairs(ARGV) do
  if texts[i] then
    found[i] = string.sub(texts[i], 1, 1)
  else
    found[i] = redis.call('HEXISTS', jobs, id) == 1 and 'q' or ''
  end
end
return found
