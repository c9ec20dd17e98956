-- netstring.lua: lists of ids as one text, each as length:id, since an id may hold any character.
-- Gives: pack_ids(ids, first, last) -> text, unpack_ids(text) -> ids.
-- Nearly all ids have one length, and then one call joins them: a number becomes text by printf, which
-- is dear.
local function pack_ids(ids, first, last)
  if last < first then
    return ''
  end
  local length, parts = #ids[first], {}
  for i = first + 1, last do
    if #ids[i] ~= length then
      for place = first, last do
        parts[#parts + 1] = #ids[place] .. ':' .. ids[place]
      end
      return table.concat(parts)
    end
  end
  local head = length .. ':'
  return head .. table.concat(ids, head, first, last)
end
local function unpack_ids(text)
  local ids, at = {}, 1
  while at <= #text do
    local length, start = string.match(text, '^(%d+):()', at)
    if not length then
      break
    end
    ids[#ids + 1] = string.sub(text, start, start + length - 1)
    at = start + length
  end
  return ids
end
