-- budget.lua: which of the jobs that were taken from ready are handed out in this call.
-- Needs: ready.lua; jobs, suspects, big. Gives: take_suspect(popped, limit), within_budget(popped, ids,
-- with_suspect, more), which appends to ids; more where the call has handed out others already.
-- Specs of a call stay under 4 MiB: a queue with any spec over 16 KiB (meta.big) is measured first,
-- in others 250 of them cannot pass it. What is over, and all that ranks below it, goes back with its
-- score; one is always taken.
local BUDGET = 4194304
local spent = 0
local function take_suspect(popped, limit)
  local suspect = redis.call('ZRANGE', suspects, 0, 0, 'WITHSCORES')
  local full = #popped == 2 * limit
  if #suspect == 0 or (full and tonumber(suspect[2]) > tonumber(popped[#popped])) then
    return false
  end
  local at = #popped + 1
  if full then
    at = at - 2
    redis.call('ZADD', ready, int(tonumber(popped[at + 1])), popped[at])
  end
  redis.call('ZREM', suspects, suspect[1])
  popped[at], popped[at + 1] = suspect[1], suspect[2]
  return true
end
local function within_budget(popped, ids, with_suspect, more)
  local over, full = {}, false
  for i = 1, #popped, 2 do
    local size = big and redis.call('HSTRLEN', jobs, popped[i]) or 0
    full = full or ((more or #ids > 0) and spent + size > BUDGET)
    if not full then
      spent = spent + size
      ids[#ids + 1] = popped[i]
    elseif with_suspect and i == #popped - 1 then
      redis.call('ZADD', suspects, int(tonumber(popped[i + 1])), popped[i])
    else
      over[#over + 1], over[#over + 2] = int(tonumber(popped[i + 1])), popped[i]
    end
  end
  if #over > 0 then
    make_ready(over)
  end
end
