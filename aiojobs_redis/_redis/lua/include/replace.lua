-- replace.lua: a job that no worker has had yet becomes another one, under its own id and arrival number.
-- Needs: header.lua, ranked.lua, line.lua, ready.lua, fair.lua, heads.lua, debts.lua, peek.lua, unique.lua, anew.lua; jobs, runs, ready, scheduled, due, followers.
-- Gives: replaceable(id, run); becomes_another(run), else it only gets the spec; replace(id, run, options, spec).
-- What is blocked, or holds a slot of a limit (option h), waits for others: how long, and for whom, is not
-- the new one's to say. A follower (follow.lua) only waits for its time beside.
local WAITS = { q = true, s = true, b = true }
-- One that was claimed, and parked since its task was not known, may have one that follows it: what comes later than
-- that one is not to run before it. One that died and runs again goes on with the jobs that it has named (named.lua).
local function replaceable(id, run)
  local waits = WAITS[run.state] and run.started == '' and not option(run.header, 'P')
  return waits and (run.worker == '' or not redis.call('HGET', followers, id))
end
local function becomes_another(run)
  return run.state ~= 'b' and not option(run.header, 'h')
end
-- arrival: its number among the others of ready, nil where it has none, or had turns. It keeps that, unless one of the two
-- asked to go first (front.lua).
local function be_queued(id, run, arrival)
  local priority, key = tonumber(option(run.header, 'p')) or 0, option(run.header, 'g')
  redis.call('ZREM', scheduled, id)
  run.state = 'q'
  local keeps = arrival and not key and (arrival < FRONT) == (string.find(run.header, ',L', 1, true) ~= nil)
  local score = keeps and int(band(priority) + arrival)
  if score and redis.call('HLEN', tags) > 0 then
    keep_heads({ score })
  end
  make_ready({ score or fresh_score(id, run), id })
end
local function be_scheduled(id, run, from, arrival, due_at)
  local head = head_of(scheduled)
  if from == 'q' then
    run.header = run.header .. ',q' .. int(arrival or redis.call('HINCRBY', tags, 'keyed', 1))
    redis.call('ZREM', ready, id)
  end
  run.state = 's'
  redis.call('ZADD', scheduled, int(due_at), id)
  if not head or due_at < head then
    redis.call('ZADD', due, 0, '1')
  end
end
-- With the same key and priority it goes on waiting for the turn that it has.
local function keeps_turn(id, before, header)
  local key = option(header, 'g')
  return key and key == option(before, 'g') and (option(header, 'p') or '0') == (option(before, 'p') or '0') and redis.call('ZSCORE', ready, id)
end
local function replace(id, run, options, spec, follower)
  local from, number = run.state, option(run.header, 'q') or '0'
  local stored
  if follower or becomes_another(run) then
    local place = from == 'q' and not option(run.header, 'g') and redis.call('ZSCORE', ready, id)
    local arrival = place and tonumber(place) % BAND
    local header, due_at = stored_header(options)
    local later = due_at and due_at > now
    local before = run.header
    local turn = from == 'q' and not later and keeps_turn(id, before, header)
    if from == 'q' and not turn then
      give_up(before)
    end
    leave_rank(id, before)
    run.header = begun_anew(id, run, header) .. ((from == 'b' or from == 's' and later) and ',q' .. number or '')
    change_line(id, before, run.header)
    if from ~= 'b' and later then
      be_scheduled(id, run, from, arrival, due_at)
    elseif from ~= 'b' and not turn then
      be_queued(id, run, arrival)
    elseif turn and option(before, 'O') then
      take_rank(id, run, option(before, 'O'))
    elseif turn then
      rank_up(id, run, turn)
    end
    note_debts()
    if run.state ~= 'q' and option(run.header, 'g') then
      -- It may come to want a turn: the mark that there is one who may (exchange_plain.lua).
      redis.call('HINCRBY', tags, 'keyed', 0)
    end
    stored = string.gsub(run.header, ',O%d*', '')
  else
    -- By this option a worker knows for what the payload is sealed.
    local function say_so()
      return string.match(options, ',u[^,]*')
    end
    run.header = begun_anew(id, run, string.gsub(run.header, ',u[^,]*', say_so))
    stored = begun_anew(id, run, string.gsub(string.match(redis.call('HGET', jobs, id), '^[^\n]*'), ',u[^,]*', say_so))
  end
  if not follower then
    hold_key(id, read_unique(options))
  end
  redis.call('HSET', runs, id, write_run(run))
  redis.call('HSET', jobs, id, stored .. '\n' .. spec)
  if #spec > 16000 then
    redis.call('HSET', meta, 'big', '1')
  end
end
