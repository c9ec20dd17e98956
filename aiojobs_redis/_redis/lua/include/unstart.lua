-- unstart.lua: a claim that was no start is taken back: the job is handed back before it has begun, or nobody knows its task.
-- Needs: record.lua, uncount.lua where limited. Gives: unstart(run).
local function unstart(run)
  if limited then
    uncount(run)
  end
  -- Whether there was a start before that claim.
  if not string.find(run.header, ',v', 1, true) then
    run.started = ''
  end
  local starts = tonumber(option(run.header, 's') or 0) - 1
  local header = string.gsub(run.header, ',y[^,]*', '')
  run.header = string.gsub(header, ',s%d+', starts > 0 and ',s' .. int(starts) or '')
end
