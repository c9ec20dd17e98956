-- netstring.lua: lists of ids as one text, each as length:id, since an id may hold any character.
-- Gives: pack_ids(ids) -> text, unpack_ids(text) -> ids.
local function pack_ids(ids)
  local parts = {}
  for i, id in ipairs(ids) do
    parts[i] = #id .. ':' .. id
  end
  return table.concat(parts)
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
