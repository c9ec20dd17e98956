-- lined.lua: the line of a key, against the records of the jobs.
-- Needs: record.lua, line.lua, quarantine.lua; slots, jobs, runs. Gives: stands_in_line(id, key) -> whether the job
-- says so; mend_line(id, run or nil), which puts an unfinished job where it says.
-- The header of a job without a record stands before its spec. A large one is not read for that, and where no line
-- is in use no spec is: such a job has its place, or no other one is refused for it.
local LARGE, in_use = 16000, redis.call('ZLEXCOUNT', slots, '[l', '(m') > 0
local function stands_in_line(id, key)
  local run = read_run(redis.call('HGET', runs, id))
  if run then
    return line_of(run.header) == key
  end
  local size = redis.call('HSTRLEN', jobs, id)
  return size > LARGE or line_of(header_of(id)) == key
end
local function mend_line(id, run)
  if run then
    join_line(id, run.header)
  elseif in_use and redis.call('HSTRLEN', jobs, id) <= LARGE then
    join_line(id, header_of(id))
  end
end
