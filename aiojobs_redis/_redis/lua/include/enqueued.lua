-- enqueued.lua: when a job was enqueued, by which it differs from one that had its id before.
-- Needs: jobs. Gives: enqueued(id, record or nil) -> ms in base 36, '' where it is not known; bytes read for it.
-- What has ended, or never ran, has no options in its record.
local function enqueued(id, run)
  local header = run and run.header ~= '' and run.header or redis.call('HGET', jobs, id) or ''
  return string.match(header, '^,e(%w+)') or '', #header
end
