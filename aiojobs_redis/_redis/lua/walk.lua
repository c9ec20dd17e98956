-- walk.lua: ids of a state behind a place in its index, of those that have been in it since a moment.
-- Flags: allow-oom
-- KEYS[1] runs  KEYS[2] scheduled  KEYS[3] retrying  KEYS[4] dead  KEYS[5] completed  KEYS[6] kept  KEYS[7] cancelled
-- ARGV[1] state   s, t, d, x or c; k for those completed that have a retention of their own
-- ARGV[2] moment  ms, 0 for now; < and ms for that or now, whichever is earlier
-- ARGV[3] limit   ids to look at, at most 250
-- ARGV[4] score  ARGV[5] id  of the place, not given at the start. Whoever left meanwhile does not move it.
-- Returns moment; ids; then score and id of the last that was looked at, unless there are no more.
-- A job that waits for its time and has started since the moment is left out, and so is one that was enqueued or
-- has ended since.
local runs, scheduled, retrying, dead, completed, kept, cancelled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local letter, moment, limit, score, id = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
--@include now
--@include record
if not moment then
  moment = math.min(now, tonumber(string.sub(ARGV[2], 2)))
elseif moment == 0 then
  moment = now
end
local index = ({ s = scheduled, t = retrying, d = dead, x = cancelled, c = completed, k = kept })[letter]
-- Others stand by a time that says nothing of when they ended: a retention of their own moves it.
local by_their_end = letter == 'c'
letter = letter == 'k' and 'c' or letter
-- As the index compares them: Lua itself would by the language of the server.
local function is_behind(one, other)
  for at = 1, math.min(#one, #other) do
    local left, right = string.byte(one, at), string.byte(other, at)
    if left ~= right then
      return left > right
    end
  end
  return #one > #other
end
local function first_behind()
  local low = redis.call('ZCOUNT', index, '-inf', '(' .. score)
  local high = low + redis.call('ZCOUNT', index, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_behind(redis.call('ZRANGE', index, middle, middle)[1], id) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end
local from = id and first_behind() or 0
local flat = redis.call('ZRANGE', index, from, from + limit - 1, 'WITHSCORES')
local ids, found = {}, {}
for at = 1, #flat, 2 do
  ids[#ids + 1] = flat[at]
end
for at, text in ipairs(#ids > 0 and redis.call('HMGET', runs, unpack(ids)) or {}) do
  local run = read_run(text)
  local since = run and (tonumber(run.finished) or tonumber(run.started) or tonumber(option(run.header, 'e') or '', 36) or 0)
  if run and run.state == letter and since <= moment then
    found[#found + 1] = ids[at]
  end
end
if #ids < limit or by_their_end and tonumber(flat[#flat]) > moment then
  return { int(moment), found }
end
return { int(moment), found, flat[#flat], flat[#flat - 1] }
