-- retake.lua: a job that runs again takes its unique key again.
-- A window limits enqueues: who replays a job knows that it ran before.
-- Needs: record.lua, unique.lua; unique. Gives: held_by_another(header) -> the holder of its key, or nil;
-- take_key(id, header), which returns the same, and takes the key where there is none.
local function holder_for(header)
  local key = read_unique(header)
  if key and key.ends ~= '-' then
    local holder, run, window_end = holder_of(key.key)
    return key.key, run and holder, window_end
  end
end
local function held_by_another(header)
  return select(2, holder_for(header)) or nil
end
local function take_key(id, header)
  local key, holder, window_end = holder_for(header)
  if key and not holder then
    redis.call('HSET', unique, key, (window_end or '') .. ',' .. id)
  end
  return holder or nil
end
