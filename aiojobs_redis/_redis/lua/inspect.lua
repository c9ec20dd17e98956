-- inspect.lua: all that is kept of each of up to 250 jobs, within 4 MiB of specs.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] errors  KEYS[4] scheduled  KEYS[5] retrying  KEYS[6] extras
-- ARGV[1] ...   ids
-- Returns per id { id, header and spec, run record, errors, due ms, progress }, empty texts for what there
-- is not; ids beyond the budget are left out, the first never is.
local jobs, runs, errors, scheduled, retrying, extras = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local INDEX = { s = scheduled, t = retrying }
local found, sum, fields = {}, 0, {}
for i, id in ipairs(ARGV) do
  fields[i] = 'p' .. id
end
local progresses = redis.call('HMGET', extras, unpack(fields))
local records = redis.call('HMGET', runs, unpack(ARGV))
for first = 1, #ARGV, 10 do
  -- Ten at once for the price of a call, and no more: each of them may be a MiB.
  local blobs = redis.call('HMGET', jobs, unpack(ARGV, first, math.min(first + 9, #ARGV)))
  for at, blob in ipairs(blobs) do
    blob = blob or ''
    sum = sum + #blob
    local i = first + at - 1
    if i > 1 and sum > 4194304 then
      return found
    end
    local id, run, line, due = ARGV[i], records[i] or '', '', ''
    if run ~= '' then
      -- Only what was more than queued once can have errors or a time.
      line = redis.call('HGET', errors, id) or ''
      local index = INDEX[string.sub(run, 1, 1)]
      due = index and redis.call('ZSCORE', index, id) or ''
    end
    found[i] = { id, blob, run, line, due, progresses[i] or '' }
  end
end
return found
