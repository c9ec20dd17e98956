-- extras.lua: the fields of extras: a kind and the id of a job; fence and number of the last note, and what is left.
-- Kinds: p progress, s state: the last one counts; l log, c steps: lists of netstrings that grow at their end.
-- Of e, events of the application's own, nothing is left, and the number stands with the log.
-- What a list has had for longer is moved to o or d, so that each note rewrites little.
-- Needs: extras, tight, int. Gives: write_down(kind, id, fence, number, body) -> whether that was news;
-- spent, bytes read and written so far.
-- Of a log the last 64 KiB stay; nothing more of what is only told is taken where Redis is nearly full.
local OLDER, RECENT, LOG = { l = 'o', c = 'd' }, 8192, 57344
local spent = 0
local function end_of(log)
  local first = 1
  while #log - first >= LOG do
    local length, start = string.match(log, '^(%d+):()', first)
    first = length and start + length or #log + 1
  end
  return string.sub(log, first)
end
local function grown(kind, id, recent, body)
  local list = recent .. body
  if #list <= RECENT then
    return list
  end
  local field = OLDER[kind] .. id
  local older = redis.call('HGET', extras, field) or ''
  spent = spent + 2 * #older
  redis.call('HSET', extras, field, kind == 'l' and end_of(older .. list) or older .. list)
  return ''
end
local function write_down(kind, id, fence, number, body)
  local told = kind == 'e'
  kind = told and 'l' or kind
  local field = kind .. id
  local text = redis.call('HGET', extras, field) or ''
  local owner, last, at = string.match(text, '^(%d+),(%d+),()')
  spent = spent + #text + #body
  if owner == fence and tonumber(last) >= number or tight and (kind == 'p' or kind == 'l') then
    return false
  end
  body = OLDER[kind] and grown(kind, id, string.sub(text, at or #text + 1), told and '' or body) or body
  redis.call('HSET', extras, field, fence .. ',' .. int(number) .. ',' .. body)
  return true
end
