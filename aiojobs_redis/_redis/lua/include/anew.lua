-- anew.lua: a job that gets other arguments forgets what it did with those before: its steps, state and progress.
-- Needs: extras. Gives: begun_anew(id, run, header) -> the header.
-- Option i says since when steps count, as a part of their idempotency keys: since a generation, or, where the
-- job has started in this one, since that start, in ms.
local function begun_anew(id, run, header)
  if run.generation == '1' and run.started == '' then
    return header
  end
  redis.call('HDEL', extras, 'p' .. id, 's' .. id, 'c' .. id, 'd' .. id)
  return string.gsub(header, ',[ij]%d*', '') .. ',i' .. (run.started == '' and run.generation or run.started)
end
