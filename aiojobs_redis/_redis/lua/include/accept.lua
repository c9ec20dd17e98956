-- accept.lua: completions of running jobs, each taken only with the token of its current lease.
-- Needs: record.lua, token.lua, scope.lua, rest.lua, conclude.lua; leases, limited.
-- Gives: task_names(first, count); accept(first, count, tasks) -> ids that were not held any more; for them
-- nothing is written.
-- ARGV, five a completion: id; token; the number of its task for a plain success, else "code argument task";
-- milliseconds; value, error or name.
-- The token, fence and nonce, is compared as two whole fields, which are never empty in a running record.
-- A plain success is nearly all there is: it goes from text to text by plain searches, without a table
-- and without a pattern, which are dear (4 us less of 14).
local OTHER = '^(%a) (%d*) (%d+)$'
-- What is kept of a running record: all between its score and its header, and the time of the end.
local function completed_record(text, at)
  local first = string.find(text, ',', at + 1, true)
  local last = string.find(text, ',,e', at, true)
  if first and last and first < last then
    return 'c,,,' .. string.sub(text, first, last) .. time
  end
  -- A damaged header has no time of the enqueue.
  local run = read_run(text)
  return run and finish(run, 'c')
end
local function task_names(first, count)
  local tasks = {}
  for i = 1, count do
    tasks[int(i)] = ARGV[first + i - 1]
  end
  return tasks
end
local function accept(first, count, tasks)
  local ids, freed, lost, done, spent, listed = {}, {}, {}, {}, {}, {}
  if count == 0 then
    return lost
  end
  for i = 1, count do
    ids[i] = ARGV[first + 5 * (i - 1)]
  end
  if flowing then
    batch.ids = ids
  end
  for number in pairs(tasks) do
    done[number], spent[number], listed[number] = 0, 0, {}
  end
  local texts, seen, freed_count = redis.call('HMGET', runs, unpack(ids)), {}, 0
  for i, id in ipairs(ids) do
    local at = first + 5 * (i - 1)
    local text, number, ms, value = texts[i], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
    local code, argument, record, run = 'c', nil, nil, nil
    if not done[number] then
      code, argument, number = string.match(number, OTHER)
    end
    local held = done[number] and not seen[id] and token_end(text, ARGV[at + 1])
    if held then
      record = code == 'c' and completed_record(text, held)
      run = code ~= 'c' and read_run(text)
    end
    if record or run then
      seen[id] = true
      freed_count = freed_count + 1
      freed[freed_count] = id
      if record then
        if limited then
          let_go(id, read_run(text))
        end
        complete(id, record, tonumber(argument), value)
        done[number] = done[number] + 1
        listed[number][done[number]] = id
      else
        subject, about = id, ',' .. tasks[number]
        local what = named(act(code, id, run, tonumber(argument), value))
        subject = nil
        if what then
          tally(tasks[number], what, 1)
        end
      end
      if ms ~= '0' then
        spent[number] = spent[number] + ms
      end
    else
      lost[#lost + 1] = id
    end
  end
  for number, name in pairs(tasks) do
    if done[number] > 0 then
      tally(name, 'completed', done[number])
      note_all('completed,' .. name, listed[number])
    end
    if spent[number] > 0 then
      tally(name, 'ms', spent[number])
    end
  end
  if freed_count > 0 then
    redis.call('ZREM', leases, unpack(freed))
  end
  return lost
end
