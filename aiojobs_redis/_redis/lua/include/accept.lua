-- accept.lua: completions of running jobs, each taken only with the token of its current lease.
-- Needs: record.lua, rest.lua, requeue.lua; leases, retrying, scheduled.
-- Gives: accept(first, count, tasks) -> ids that were not held any more; for them nothing is written.
-- ARGV, three a completion: id; "code token argument task milliseconds"; value, error or name.
-- The token, fence and nonce, is compared as one whole field that cannot be empty.
-- A plain success is nearly all there is: it goes from text to text, without a table (3 us less of 14).
local COMPLETION = '^(%a) (%d+,%x+) (%d*) (%d+) (%d+)$'
local RUNNING = '^r,(%d+,%d+,%d+),%d*,(%d+,%x+),([^,]*,%d*),'
local WHAT = { t = 'failed', d = 'dead', z = 'snoozed', x = 'cancelled' }
-- A job that was to be cancelled (option z) may still complete or die, but does not run again; the
-- reason was recorded with the request.
local function apply(code, id, run, argument, text)
  if code ~= 'd' and option(run.header, 'z') then
    call_off(id, run)
  elseif code == 't' then
    run.failures = run.failures + 1
    add_error(id, text)
    note('retrying', id)
    put_off(retrying, 't', id, run, argument)
  elseif code == 'd' then
    bury(id, run, text)
  elseif code == 'z' then
    put_off(scheduled, 's', id, run, argument)
  elseif code == 'x' then
    call_off(id, run, text)
  elseif code == 'b' then
    park(id, run, text)
  else
    queue_again(id, run, run.score)
  end
end
local function accept(first, count, tasks)
  local ids, freed, lost, done, spent = {}, {}, {}, {}, {}
  if count == 0 then
    return lost
  end
  for i = 1, count do
    ids[i] = ARGV[first + 3 * (i - 1)]
    done[i], spent[i] = 0, 0
  end
  local texts, seen, freed_count = redis.call('HMGET', runs, unpack(ids)), {}, 0
  for i, id in ipairs(ids) do
    local at = first + 3 * (i - 1)
    local code, token, argument, task, ms = string.match(ARGV[at + 1], COMPLETION)
    local counts, held, who = string.match(texts[i] or '', RUNNING)
    if token and held == token and not seen[id] then
      seen[id] = true
      freed_count = freed_count + 1
      freed[freed_count] = id
      task, argument = tonumber(task), tonumber(argument)
      spent[task] = spent[task] + ms
      if code == 'c' then
        complete(id, 'c,' .. counts .. ',,,,' .. who .. ',' .. time, argument, ARGV[at + 2])
        note('completed', id)
        done[task] = done[task] + 1
      else
        apply(code, id, read_run(texts[i]), argument, ARGV[at + 2])
        if WHAT[code] then
          tally(tasks[task], WHAT[code], 1)
        end
      end
    else
      lost[#lost + 1] = id
    end
  end
  for task, name in ipairs(tasks) do
    if done[task] > 0 then
      tally(name, 'completed', done[task])
    end
    if spent[task] > 0 then
      tally(name, 'ms', spent[task])
    end
  end
  if freed_count > 0 then
    redis.call('ZREM', leases, unpack(freed))
  end
  return lost
end
