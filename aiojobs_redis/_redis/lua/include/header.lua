-- header.lua: what is stored of the options that a job comes with.
-- Needs: now, int, moment.lua, record.lua. Gives: enqueued_at, the header of a job without options;
-- stored_header(options) -> header, due ms or nil.
-- Durations on the way, y and v, count from now; w and x are what becomes of them.
local enqueued_at = ',e' .. base36(now)
local function stored_header(options)
  local delay, valid = tonumber(option(options, 'y')), tonumber(option(options, 'v'))
  local due_at = delay and now + delay or tonumber(option(options, 'w'))
  local header = enqueued_at .. string.gsub(options, ',[ywv]%d+', '') .. (valid and ',x' .. int(now + valid) or '')
  return due_at and header .. ',w' .. int(due_at) or header, due_at
end
