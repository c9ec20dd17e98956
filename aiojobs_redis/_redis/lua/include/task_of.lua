-- task_of.lua: the name of the task of a job.
-- Needs: record.lua. Gives: task_of(header, header and spec), nil for a spec that is none.
-- The task's name is in the header where a codec hides the spec; else it is the second element of it,
-- MessagePack of [version, name, ...].
local function task_of(header, blob)
  local at = string.find(blob, '\n', 1, true)
  local version, kind, size = string.byte(blob, at + 2, at + 4)
  if option(header, 'a') or version ~= 1 or not kind then
    return option(header, 'a')
  elseif kind >= 160 and kind < 192 then
    return string.sub(blob, at + 4, at + kind - 157)
  end
  return kind == 217 and string.sub(blob, at + 5, at + 4 + size) or nil
end
