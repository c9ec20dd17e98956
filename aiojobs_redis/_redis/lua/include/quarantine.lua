-- quarantine.lua: what becomes of jobs whose record and indexes do not agree.
-- Needs: record.lua, tally.lua, rest.lua; KEYS[5..14], the indexes; results.
-- Gives: INDEXES, HOMES, FINISHED; home_of(state, id) -> the index that holds it, or nil;
-- leave_all(id); quarantine(id, run, why); quarantined, a list of ids;
-- dealt_with, by id what is not to be looked at again in this call.
-- The caller calls settle() afterwards.
local INDEXES = { unpack(KEYS, 5, 14) }
local HOMES = {
  q = { ready, suspects },
  s = { scheduled },
  t = { retrying },
  r = { leases },
  b = { blocked },
  c = { completed, kept },
  x = { cancelled },
  d = { dead },
}
local FINISHED = { c = true, x = true, d = true }
local quarantined, dealt_with = {}, {}
local function home_of(state, id)
  for _, index in ipairs(HOMES[state] or {}) do
    if redis.call('ZSCORE', index, id) then
      return index
    end
  end
end
local function leave_all(id)
  for _, index in ipairs(INDEXES) do
    redis.call('ZREM', index, id)
  end
end
local function header_of(id)
  local header = string.match(redis.call('HGET', jobs, id) or '', '^(,[^\n]*)\n') or ''
  return string.find(header, ',[^%a]') and '' or header
end
local function quarantine(id, run, why)
  leave_all(id)
  redis.call('HDEL', results, id)
  run = run or new_run(header_of(id))
  dealt_with[id] = true
  quarantined[#quarantined + 1] = id
  tally('?', 'dead', 1)
  bury(id, run, cjson.encode({ type = 'corrupt', message = why, at = now, attempt = run.failures + 1 }))
end
