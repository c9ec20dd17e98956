-- admit.lua: write new jobs, each id once, into ready or scheduled, or blocked where flow (hold.lua, or nil) says so.
-- Needs: known.lua, header.lua, line.lua, open.lua, record.lua, front.lua, ready.lua, added.lua; jobs, runs, blocked, big, most_of_key;
-- tags, fair.lua where they may have keys; with decided also unique.lua, dedupe.lua. Gives: admit(first, count, tasks, refuse,
-- decided) -> flags, one character a job: 1 added, 0 known already, else what refuse(options) says, where that is given; decided
-- is what dedupe.lua says instead, nil for nothing.
-- ARGV from first, three a job: id; "task number,options"; spec. ARGV[tasks] is the first task name.
local function admit(first, count, tasks, refuse, decided)
  open_queue()
  local known, seen, flags = known_ids(first, count), {}, {}
  local specs, records, ready_now, later, listed, size, lined, earliest = {}, {}, {}, {}, {}, 0, 0, nil
  local first_arrival, turned, wanted, headers = take_sequence(count), nil, nil, {}
  local sequence = first_arrival
  local twice, waiting = decided and { unpack(decided.holders) } or {}, {}
  for i = 1, count do
    local at = first + 3 * (i - 1)
    local id, task, options, spec, key, leader, refused = ARGV[at], ARGV[at + 1], '', ARGV[at + 2], nil, nil, nil
    if #task > 1 then
      task, options = string.match(task, '^(%d+)(.*)$')
    end
    sequence = sequence + 1
    if tags then
      key = option(options, 'g')
      -- Jobs with a key have turns: they take no arrivals, behind which all others would come.
      sequence = sequence - (key and 1 or 0)
    end
    if decided then
      leader, refused = decided.behind[i], decided.flags[i]
    end
    flags[i] = refused or (known[i] or seen[id]) and '0' or refuse and refuse(options) or '1'
    if flags[i] == '0' then
      twice[#twice + 1] = id
    elseif flags[i] == '1' then
      seen[id] = true
      local header, due_at = enqueued_at, nil
      if options ~= '' then
        header, due_at = stored_header(options)
      end
      local late, held = due_at and due_at > now, false
      if leader or late then
        local place = sequence - 1
        if tags then
          place = key and redis.call('HINCRBY', tags, 'keyed', 1) or place
        end
        header = header .. ',q' .. int(place)
      end
      if decided then
        held = leader and stand_behind(leader, id)
      end
      if flow then
        held = held or flow.waits(i, id)
      end
      if held then
        push(records, id, 'b,,,,1,0,0,,,' .. header)
      elseif late then
        later[#later + 1], later[#later + 2], waiting[#waiting + 1] = int(due_at), id, id
        push(records, id, 's,,,,1,0,0,,,' .. header)
        earliest = math.min(due_at, earliest or due_at)
      else
        local priority, front = options ~= '' and tonumber(option(options, 'p')) or 0, not key and options ~= '' and front_place(options)
        sequence = front and sequence - 1 or sequence
        if key then
          turned, wanted = turned or {}, wanted or {}
          turned[#turned + 1], headers[#headers + 1] = id, header
          push(wanted, priority, key)
        else
          ready_now[lined + 1], ready_now[lined + 2], lined = int(band(priority) + (front or sequence - 1)), id, lined + 2
        end
      end
      if decided then
        keep_key(id, header, decided.taking[i], held or late, records)
      end
      if most_of_key then
        join_line(id, header)
      end
      specs[size + 1], specs[size + 2], size = id, header .. '\n' .. spec, size + 2
      if #spec > 16000 and not big then
        big = '1'
        redis.call('HSET', meta, 'big', '1')
      end
      local ids = listed[task] or {}
      listed[task], ids[#ids + 1] = ids, id
    end
  end
  tell_added(tasks, listed, twice, waiting)
  if size > 0 then
    redis.call('HSET', jobs, unpack(specs))
  end
  if #records > 0 then
    redis.call('HSET', runs, unpack(records))
  end
  if sequence < first_arrival + count then
    redis.call('HINCRBY', meta, 'sequence', sequence - first_arrival - count)
  end
  if tags then
    take_turns(turned, wanted, headers, ready_now)
  end
  make_ready(ready_now)
  await_times(later, earliest)
  return table.concat(flags)
end
