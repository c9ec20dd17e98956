-- once.lua: whose an idempotent call is, and what it returned; value of once: o or d; ms until which a done one
-- counts, empty for an owned one; fence; nonce; then the id of the owner, or what the call returned.
-- An owned one is its owner's as long as that job runs under the same token: a crash frees it with the lease.
-- once_ends, by o or d and the key, says when each is to be looked at: a done one when its time is up, an owned
-- one after a day, in case its owner is gone and nobody asked for it since.
-- Needs: record.lua, now.lua; runs, once, once_ends. Gives: runs_under(id, token), read_once(key) -> nil for none
-- that counts, or { done, token, at }, text; write_once(key, kind, ends, token, rest); drop_once(key);
-- forget_onces(most) -> how many.
local DAY = 86400000
local function runs_under(id, token)
  local run = read_run(redis.call('HGET', runs, id))
  return run and run.state == 'r' and run.fence .. ',' .. run.nonce == token
end
local function read_once(key)
  local text = redis.call('HGET', once, key) or ''
  local kind, ends, token, at = string.match(text, '^([od]),(%d*),(%d+,%x+),()')
  if kind == 'd' and ends ~= '' and tonumber(ends) > now or kind == 'o' and runs_under(string.sub(text, at), token) then
    return { done = kind == 'd', token = token, at = at }, text
  end
end
local function drop_once(key)
  redis.call('HDEL', once, key)
  redis.call('ZREM', once_ends, 'o' .. key, 'd' .. key)
end
local function write_once(key, kind, ends, token, rest)
  redis.call('HSET', once, key, kind .. ',' .. (kind == 'd' and int(ends) or '') .. ',' .. token .. ',' .. rest)
  redis.call('ZREM', once_ends, (kind == 'd' and 'o' or 'd') .. key)
  redis.call('ZADD', once_ends, int(ends), kind .. key)
end
local function forget_onces(most)
  local members, dropped = redis.call('ZRANGE', once_ends, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, most), 0
  for _, member in ipairs(members) do
    local key = string.sub(member, 2)
    -- What a done one returned may be large, and is not read for this.
    if string.sub(member, 1, 1) == 'o' and read_once(key) then
      redis.call('ZADD', once_ends, int(now + DAY), member)
    else
      drop_once(key)
      dropped = dropped + 1
    end
  end
  return dropped
end
