-- heads.lua: how far claims have come in a priority, kept from before a job comes back to a place that they have passed.
-- The first of ready is as far as they have come, but for those that came back; who comes next, while others that
-- were claimed with them still run, would stand before these, and before them among its own key.
-- So: whatever was claimed once stands at or before the head, or its key is noted to stay behind it, as below.
-- forgive.lua relies on it.
-- A suspect may take a turn far behind, and is claimed out of turn, as who rises from far behind (behind.lua): its key
-- stays behind that one (s, priority, key).
-- Needs: ready.lua, fair.lua; tags. Gives: keep_heads(scores and ids that come back), before they are written;
-- keep_head(priority, head or nil for what it is); keep_floor(header, score of such a turn).
local function keep_head(priority, head)
  local seen = tonumber(redis.call('HGET', tags, priority .. ',') or 0)
  head = head or head_tag(priority, seen)
  if head > seen then
    redis.call('HSET', tags, priority .. ',', int(head))
  end
end
local function keep_heads(scores_and_ids)
  local done = {}
  for i = 1, #scores_and_ids, 2 do
    local priority = 1023 - math.floor(tonumber(scores_and_ids[i]) / BAND)
    if not done[priority] then
      done[priority] = true
      keep_head(priority)
    end
  end
end
local function keep_floor(header, score)
  local key, place = option(header, 'g'), tonumber(score) % BAND
  local field = key and 's' .. (tonumber(option(header, 'p')) or 0) .. ',' .. key
  if key and place > tonumber(redis.call('HGET', tags, field) or 0) then
    redis.call('HSET', tags, field, int(place))
  end
end
