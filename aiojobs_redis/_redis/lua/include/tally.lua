-- tally.lua: statistics and events of what a script accepted, written once at its end.
-- Needs: netstring.lua; stats, events, now, int. Gives: tally(task, what, count), note(kind, id), publish().
-- stats field: minute,task,what. An events entry: kind, ids (each as length:id), at most 64 ids.
local tallies, noted = {}, {}
local function tally(task, what, count)
  local field = task .. ',' .. what
  tallies[field] = (tallies[field] or 0) + count
end
local function note(kind, id)
  local ids = noted[kind]
  if not ids then
    ids = {}
    noted[kind] = ids
  end
  ids[#ids + 1] = id
end
local function publish()
  local minute = int(math.floor(now / 60000)) .. ','
  for field, count in pairs(tallies) do
    redis.call('HINCRBY', stats, minute .. field, int(count))
  end
  local fields, room = {}, 64
  local function flush()
    if #fields > 0 then
      redis.call('XADD', events, 'MAXLEN', '~', 2000, '*', unpack(fields))
    end
    fields, room = {}, 64
  end
  for kind, ids in pairs(noted) do
    local first = 1
    while first <= #ids do
      local last = math.min(#ids, first + room - 1)
      fields[#fields + 1] = kind
      fields[#fields + 1] = pack_ids(ids, first, last)
      room = room - (last - first + 1)
      first = last + 1
      if room == 0 then
        flush()
      end
    end
  end
  flush()
end
