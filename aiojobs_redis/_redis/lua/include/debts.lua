-- debts.lua: keys of which jobs left their places without having run. Their last tag may lie behind all that they have
-- left, and a key that has nothing more there owes nobody these turns: forgive.lua looks, so that here nothing is sought.
-- tags: debts -> such keys as "priority,key", a line each; when they are many they become a page, page1 and on; pages ->
-- their number.
-- Noted where a place was given up for good, in the script that did: what is lost in between would be owed for ever. A
-- tag at or before the head needs no note, as it says nothing.
-- Needs: record.lua, fair.lua; tags. Gives: give_up(header), of each queued job; note_debts(), once they have left.
local PAGE = 8000
local given_up = {}
local function give_up(header)
  local key = option(header, 'g')
  if key then
    given_up[(tonumber(option(header, 'p')) or 0) .. ',' .. key] = true
  end
end
local function note_debts()
  local before, text
  for field in pairs(given_up) do
    local priority = string.match(field, '^[^,]*')
    local values = redis.call('HMGET', tags, field, priority .. ',')
    if tonumber(values[1] or 0) > head_tag(tonumber(priority), values[2]) then
      before = before or redis.call('HGET', tags, 'debts') or '\n'
      text = text or before
      if not string.find(text, '\n' .. field .. '\n', 1, true) then
        text = text .. field .. '\n'
      end
      if #text > PAGE then
        redis.call('HSET', tags, 'page' .. redis.call('HINCRBY', tags, 'pages', 1), text)
        text = '\n'
      end
    end
  end
  if text ~= before then
    redis.call('HSET', tags, 'debts', text)
  end
end
