-- unknown.lua: where a job stands among those of a task that no worker knows yet: by its place in ready.
-- Needs: record.lua. Gives: unknown_member(task, id, run), what unknown has of it; by then its record says the task.
local function unknown_member(task, id, run)
  return task .. ',' .. string.rep('0', 16 - #run.score) .. run.score .. ',' .. id
end
