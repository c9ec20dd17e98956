-- known.lua: which of the jobs of a call are there already.
-- Needs: jobs, big. Gives: known_ids(first, count) -> by number of the job, whether its id is taken.
local function known_ids(first, count)
  if count == 1 then
    return { redis.call('HEXISTS', jobs, ARGV[first]) == 1 }
  end
  local known, ids = {}, {}
  for i = 1, count do
    ids[i] = ARGV[first + 3 * (i - 1)]
  end
  if big then
    for i, id in ipairs(ids) do
      known[i] = redis.call('HEXISTS', jobs, id) == 1
    end
  else
    known = redis.call('HMGET', jobs, unpack(ids))
  end
  return known
end
