-- line_up.lua: how many jobs of a key may wait for their first start, and who is refused (line.lua).
-- Needs: line.lua; slots, most_of_key. Gives: may_line_up(header, from) -> whether there is room for the job in the
-- line of its key; from is the header of the one whose place it takes, or nil. keep_out(key) takes it back.
-- The numbers go on in this call: each of a batch counts for the next one.
local lengths = {}
local function length_of(key)
  lengths[key] = lengths[key] or redis.call('ZLEXCOUNT', slots, '[l' .. key .. ',', '(l' .. key .. '-')
  return lengths[key]
end
local function keep_out(header)
  local key = line_of(header)
  if key then
    lengths[key] = length_of(key) - 1
  end
end
local function may_line_up(header, from)
  local key, old = line_of(header), from and line_of(from)
  if key and key ~= old then
    if length_of(key) >= most_of_key then
      return false
    end
    lengths[key] = lengths[key] + 1
  end
  if old and key ~= old then
    keep_out(from)
  end
  return true
end
