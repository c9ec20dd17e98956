-- admit.lua: write new jobs, each id once, into ready or scheduled, or blocked where flow (hold.lua, or nil) says so.
-- Needs: known.lua, header.lua, open.lua, record.lua, ready.lua, fair.lua, peek.lua, tally.lua; jobs, runs,
-- scheduled, blocked, due, big; with decided also unique.lua and followers.
-- Gives: admit(first, count, tasks, spend, decided) -> flags, one character a job: 1 added, 0 known already,
-- 2 refused by spend(options), where that is given; decided is what dedupe.lua says instead, nil for nothing.
-- ARGV from first, three a job: id; "task number,options"; spec. ARGV[tasks] is the first task name.
local function admit(first, count, tasks, spend, decided)
  open_queue()
  local known, seen, flags = known_ids(first, count), {}, {}
  local specs, records, ready_now, later, added, listed, earliest = {}, {}, {}, {}, {}, {}, nil
  local sequence, keyed, wanted, others = take_sequence(count), {}, {}, 0
  local twice, waiting = { unpack(decided and decided.holders or {}) }, {}
  for i = 1, count do
    local at = first + 3 * (i - 1)
    local id, task, options, spec = ARGV[at], ARGV[at + 1], '', ARGV[at + 2]
    local key
    if #task > 1 then
      task, options = string.match(task, '^(%d+)(.*)$')
      key = option(options, 'g')
    end
    -- Jobs with a key have turns: they take no arrivals, behind which all others would come.
    if not key then
      sequence = sequence + 1
    else
      others = others + 1
    end
    local taking, leader = decided and decided.taking[i], decided and decided.behind[i]
    flags[i] = decided and decided.flags[i] or (known[i] or seen[id]) and '0' or spend and not spend(options) and '2' or '1'
    if flags[i] == '0' then
      twice[#twice + 1] = id
    elseif flags[i] == '1' then
      seen[id] = true
      local header, due_at = stored_header(options)
      local late = due_at and due_at > now
      if leader or late then
        header = header .. ',q' .. int(key and redis.call('HINCRBY', meta, 'keyed', 1) or sequence - 1)
      end
      if leader then
        redis.call('ZADD', blocked, time, id)
        redis.call('HSET', followers, leader.id, leader.key .. ',' .. id)
        records[#records + 1], records[#records + 2] = id, 'b,,,,1,0,0,,,' .. header
      elseif flow and flow.waits(i, id) then
        records[#records + 1], records[#records + 2] = id, 'b,,,,1,0,0,,,' .. header
      elseif late then
        later[#later + 1], later[#later + 2], waiting[#waiting + 1] = int(due_at), id, id
        records[#records + 1], records[#records + 2] = id, 's,,,,1,0,0,,,' .. header
        earliest = math.min(due_at, earliest or due_at)
      else
        local priority = options ~= '' and tonumber(option(options, 'p')) or 0
        if key then
          keyed[#keyed + 1] = id
          wanted[#wanted + 1], wanted[#wanted + 2] = priority, key
        else
          ready_now[#ready_now + 1], ready_now[#ready_now + 2] = int(band(priority) + sequence - 1), id
        end
        if taking then
          -- Whether it holds its key is read in its record.
          records[#records + 1], records[#records + 2] = id, write_run(new_run(header))
        end
      end
      if taking then
        hold_key(id, taking.found)
      end
      specs[#specs + 1], specs[#specs + 2] = id, header .. '\n' .. spec
      if #spec > 16000 and not big then
        big = '1'
        redis.call('HSET', meta, 'big', '1')
      end
      local number = (added[task] or 0) + 1
      listed[task] = listed[task] or {}
      added[task], listed[task][number] = number, id
    end
  end
  for task, number in pairs(added) do
    local name = ARGV[tasks + task - 1]
    tally(name, 'enqueued', number)
    note_all('enqueued,' .. name, listed[task])
  end
  note_all('duplicated', twice)
  note_all('scheduled', waiting)
  write_all(jobs, specs)
  write_all(runs, records)
  if others > 0 then
    redis.call('HINCRBY', meta, 'sequence', -others)
    for i, score in ipairs(#keyed > 0 and turns(wanted) or {}) do
      ready_now[#ready_now + 1], ready_now[#ready_now + 2] = score, keyed[i]
    end
  end
  make_ready(ready_now)
  if earliest then
    local head = head_of(scheduled)
    redis.call('ZADD', scheduled, unpack(later))
    if not head or earliest < head then
      redis.call('ZADD', due, 0, '1')
    end
  end
  return table.concat(flags)
end
