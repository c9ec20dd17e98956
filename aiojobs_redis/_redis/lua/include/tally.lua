-- tally.lua: statistics and events of what a script accepted, written once at its end.
-- Needs: netstring.lua; stats, events, now, int. Gives: tally(task, what, count), note(kind, id),
-- note_all(kind, ids), publish(worker); subject and about: what note() adds to the kinds of that one id.
-- stats field: minute,task,what; minute: the tasks of that minute, each behind a comma. An events entry: @ and the worker that reports, then for each kind, with
-- the task behind a comma where the script knows it, ids (each as length:id), at most 64 ids. Kinds stand
-- in the order in which they happened: a job is recovered before it starts again.
local tallies, noted, order, subject, about = {}, {}, {}, nil, ''
local function tally(task, what, count)
  local field = task .. ',' .. what
  tallies[field] = (tallies[field] or 0) + count
end
local function note(kind, id)
  if id == subject then
    kind = kind .. about
  end
  local ids = noted[kind]
  if not ids then
    ids = {}
    noted[kind], order[#order + 1] = ids, kind
  end
  ids[#ids + 1] = id
end
local function note_all(kind, ids)
  if noted[kind] then
    for _, id in ipairs(ids) do
      note(kind, id)
    end
  else
    noted[kind], order[#order + 1] = ids, kind
  end
end
local function publish(worker)
  local minute, listed, before = int(math.floor(now / 60000)), nil, nil
  for field, count in pairs(tallies) do
    local sum = redis.call('HINCRBY', stats, minute .. ',' .. field, int(count))
    local task = sum == count and string.match(field, '^[^,]*')
    if task then
      -- The first of its kind in this minute: the list of its tasks is looked at then only.
      before = before or redis.call('HGET', stats, minute) or ''
      listed = listed or before
      listed = string.find(listed .. ',', ',' .. task .. ',', 1, true) and listed or listed .. ',' .. task
    end
  end
  if listed ~= before then
    redis.call('HSET', stats, minute, listed)
  end
  local fields, room = { worker and '@', worker }, 64
  for _, kind in ipairs(order) do
    local ids, first = noted[kind], 1
    while first <= #ids do
      local last = math.min(#ids, first + room - 1)
      fields[#fields + 1] = kind
      fields[#fields + 1] = pack_ids(ids, first, last)
      room = room - (last - first + 1)
      first = last + 1
      if room == 0 then
        redis.call('XADD', events, 'MAXLEN', '~', 2000, '*', unpack(fields))
        fields, room = { worker and '@', worker }, 64
      end
    end
  end
  if room < 64 then
    redis.call('XADD', events, 'MAXLEN', '~', 2000, '*', unpack(fields))
  end
end
