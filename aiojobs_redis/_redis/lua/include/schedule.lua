-- schedule.lua: the record of a schedule (value of schedules): a line of state, then its definition.
-- Line: revision,paused,runs,missed,last tick,anchor,declared. The definition is opaque here.
-- Gives: read_schedule(text), write_schedule(schedule).
local SCHEDULE = '^(%x+),([01]),(%d+),(%d+),(%d*),(%d+),(%d*)\n(.*)$'
local function read_schedule(text)
  if not text then
    return nil
  end
  local revision, paused_too, runs_made, missed, last_tick, anchor, declared, definition = string.match(text, SCHEDULE)
  return revision
    and {
      revision = revision,
      paused = paused_too,
      runs = tonumber(runs_made),
      missed = tonumber(missed),
      last_tick = last_tick,
      anchor = anchor,
      declared = declared,
      definition = definition,
    }
end
local function write_schedule(schedule)
  return schedule.revision .. ',' .. schedule.paused .. ',' .. int(schedule.runs) .. ',' .. int(schedule.missed) .. ','
    .. schedule.last_tick .. ',' .. schedule.anchor .. ',' .. schedule.declared .. '\n' .. schedule.definition
end
