-- line.lua: the line of a key, the jobs of it that have not started yet and count: with a largest number they were
-- enqueued (option b, in line_up.lua). slots has "l<key>,<id>" of score 0 for each, while its header has the option.
-- Who leaves it goes before nobody of its key either (ranked.lua).
-- Needs: record.lua, ranked.lua; slots. Gives: line_of(header) -> key, or nothing; join_line(id, header) -> header;
-- leave_line(id, header) -> header without the option; change_line(id, before, header).
--
--   enqueue, tick        header and member come together, in ready, scheduled or blocked
--   first start          both go (claim.lua), for good: a retry, a hand-back, a park and a replay do not count
--   end without a start  both go: expired, cancelled, removed, a parent failed, parked too long, quarantined
--   replaced             another header, of maybe another key: the member follows it (replace.lua)
--
-- So whoever sends a call twice, or is killed between two, cannot count a job twice, or for ever: what counts is
-- a member a job, and not a number.
local function line_of(header)
  return string.find(header, ',b1', 1, true) and option(header, 'g')
end
local function join_line(id, header)
  local key = line_of(header)
  if key then
    redis.call('ZADD', slots, 0, 'l' .. key .. ',' .. id)
  end
  return header
end
local function leave_line(id, header)
  if string.find(header, ',O', 1, true) then
    header = leave_rank(id, header)
  end
  local key = line_of(header)
  if not key then
    return header
  end
  redis.call('ZREM', slots, 'l' .. key .. ',' .. id)
  return (string.gsub(header, ',b1', ''))
end
local function change_line(id, before, header)
  if line_of(before) ~= line_of(header) then
    leave_line(id, before)
    join_line(id, header)
  end
end
