-- unique.lua: who holds a unique key, and until when.
-- A holder's own record says whether it still counts, so that nothing is to be done when a job ends: a
-- record that is gone, finished, started (until s) or of another key holds nothing. Only a window outlives it.
-- Nor does one that has not started by its expiry: its claim buries it (claim.lua), so nobody runs beside it. But one
-- that another waits for (follow.lua) has its key until that goes on: a third one would come between them.
-- Option u of a header: until (d done, s started, - only the window), on conflict (k keep), window in ms
-- or empty, + where each conflict starts the window again, a colon, the key.
-- Value of unique: end of the window in ms or empty, a comma, id of the job.
-- Needs: now, int, record.lua; unique, runs, blocked, followers. Gives: read_unique(header) -> option or nil; has_expired(run);
-- holder_of(key) -> id, run (false where only its window counts), end of the window; or nil; waits_for(run, key) -> option or nil; hold_key(id, option);
-- stand_behind({ id, key }, id); keep_key(id, header, taken, waits_first, records).
local function read_unique(header)
  local text = string.find(header, ',u', 1, true) and option(header, 'u')
  local ends, conflict, window, extend, key = string.match(text or '', '^([ds-])(%l)(%d*)(%+?):(.*)$')
  return key and { ends = ends, conflict = conflict, window = tonumber(window), extend = extend ~= '', key = key }
end
local function has_expired(run)
  return run.started == '' and (tonumber(option(run.header, 'x')) or now) < now
end
local function holds(run, key)
  local found = run and read_unique(run.header)
  if not found or found.key ~= key or has_expired(run) then
    return false
  end
  return found.ends == 'd' or found.ends == 's' and run.started == ''
end
local function is_followed(id, run, key)
  local text = run and not string.find('cdx', run.state, 1, true) and redis.call('HGET', followers, id)
  return text and string.sub(text, 1, #key + 1) == key .. ','
end
local function holder_of(key)
  local window_end, id = string.match(redis.call('HGET', unique, key) or '', '^(%d*),(.*)$')
  if not id then
    return nil
  end
  local run = read_run(redis.call('HGET', runs, id))
  if holds(run, key) or is_followed(id, run, key) then
    return id, run, window_end
  elseif now < (tonumber(window_end) or 0) then
    return id, false, window_end
  end
end
-- Whether a job is blocked for its key, as follow.lua has it; its option u.
local function waits_for(run, key)
  local found = run and run.state == 'b' and not option(run.header, 'n') and read_unique(run.header)
  return found and found.key == key and found
end
local function stand_behind(leader, id)
  redis.call('ZADD', blocked, time, id)
  redis.call('HSET', followers, leader.id, leader.key .. ',' .. id)
  return true
end
local function hold_key(id, found)
  redis.call('HSET', unique, found.key, (found.window and int(now + found.window) or '') .. ',' .. id)
end
-- taken: what dedupe.lua says in taking of this job. Whether one that waits for nothing holds its key is read in its record.
local function keep_key(id, header, taken, waits_first, records)
  if taken then
    hold_key(id, taken.found)
    if not waits_first then
      push(records, id, write_run(new_run(header)))
    end
  end
end
