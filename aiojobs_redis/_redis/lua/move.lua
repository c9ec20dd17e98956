-- move.lua: a waiting job gets another time or another priority, in place.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] ready  KEYS[4] suspects  KEYS[5] scheduled  KEYS[6] retrying
-- KEYS[7] wake  KEYS[8] due   KEYS[9] meta  KEYS[10] tags  KEYS[11] producers  KEYS[12] slots
-- ARGV[1] call  as for remove.lua
-- ARGV[2] id    ARGV[3] priority, empty to keep it
-- ARGV[4] now | y and a delay in ms | w and an epoch time in ms; empty to keep the time
-- Returns the state letter before; the job was moved if it may be: s and t to another time, these and q to
-- another priority. A queued job keeps its place among those that came when it did, one with a key
-- takes a turn among the keys of the new priority. The header in jobs
-- changes too: it is what the record of the finished job and a replay go by.
local jobs, runs, ready, suspects, scheduled, retrying = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local wake, due, meta, tags, producers, slots = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local call, id, priority, when = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
--@include now
--@include types
--@include arguments
--@include answered
--@include state
--@include record
--@include ranked
--@include front
--@include ready
--@include fair
--@include debts
--@include heads
--@include suspect
--@include peek
require_arguments(4)
require_types({ jobs, runs, producers }, { ready, suspects, scheduled, retrying, wake, due, slots })
local before = answer_before()
if before then
  return before
end
local blob = redis.call('HGET', jobs, id)
if not blob then
  return ''
end
local header, spec = string.match(blob, '^(,[^\n]*)\n(.*)$')
local run = read_run(redis.call('HGET', runs, id)) or new_run(header or '')
local function put(letter, value)
  local pattern, option_text = ',' .. letter .. '[^,]*', ',' .. letter .. value
  run.header = string.gsub(run.header, pattern, '') .. option_text
  header = string.gsub(header, pattern, '') .. option_text
end
local state, index = run.state, ({ s = scheduled, t = retrying })[run.state]
if not header or not index and (state ~= 'q' or when ~= '') then
  return header and state or ''
end
if priority ~= '' then
  if state == 'q' then
    give_up(run.header)
    run.header = leave_rank(id, run.header)
    -- The turn that a limit has let it out with is one of the old priority (lot.lua).
    run.header = string.gsub(run.header, ',t%d*', '')
  end
  put('p', priority)
end
if state == 'q' then
  local home = redis.call('ZSCORE', suspects, id) and suspects or ready
  local place = tonumber(redis.call('ZSCORE', home, id)) % BAND
  local keyed = option(run.header, 'g')
  local score = keyed and fresh_score(id, run) or int(band(tonumber(priority)) + place)
  if keyed and home == suspects then
    keep_floor(run.header, score)
  elseif fair and not keyed and home == ready then
    keep_heads({ score })
  end
  redis.call('ZADD', home, score, id)
  note_debts()
elseif when ~= '' then
  local due_at = now
  if when ~= 'now' then
    due_at = tonumber(string.sub(when, 2)) + (string.sub(when, 1, 1) == 'y' and now or 0)
  end
  if state == 's' and run.started == '' then
    -- One that has started keeps what it has: it names the tick for which it runs.
    put('w', int(due_at))
  end
  if due_at > now then
    local head = head_of(index)
    redis.call('ZADD', index, int(due_at), id)
    if due_at < (head or due_at + 1) then
      redis.call('ZADD', due, 0, '1')
    end
  else
    local score = fresh_score(id, run)
    run.state = 'q'
    redis.call('ZREM', index, id)
    if run.lost >= 2 then
      make_suspect(score, id, run.header)
    else
      make_ready({ score, id })
    end
  end
end
redis.call('HSET', runs, id, write_run(run))
redis.call('HSET', jobs, id, header .. '\n' .. spec)
answer(state)
return state
