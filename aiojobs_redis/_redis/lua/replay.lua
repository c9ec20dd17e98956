-- replay.lua: finished jobs run again under the same id, as their next generation.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] ready  KEYS[4] completed  KEYS[5] kept  KEYS[6] cancelled
-- KEYS[7] dead  KEYS[8] results  KEYS[9] wake  KEYS[10] stats  KEYS[11] events  KEYS[12] unique  KEYS[13] meta
-- KEYS[14] extras  KEYS[15] tags  KEYS[16] blocked  KEYS[17] edges  KEYS[18] flows
-- KEYS[19] producers
-- ARGV[1] call    as for remove.lua
-- ARGV[2] states  letters of the states from which a job may run again: of c, d and x
-- ARGV[3] ...   ids, at most 250
-- Returns per id the state letter it had; those of states were replayed, others are as they were, '' is unknown;
-- u and an id: not replayed, since that unfinished job holds its unique key. Ids are left out from where specs and
-- edges take too long; the first never is.
-- Jobs that died of one of them run again too: whoever asks for their result next must not find the old end.
-- Of a hundred that is so at once, of more with the next exchange or beat, for which the mark stays (revive.lua).
local jobs, runs, ready, completed, kept, cancelled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local dead, results, wake, stats, events = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local unique, meta, extras, tags = KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local blocked, edges, flows, producers = KEYS[16], KEYS[17], KEYS[18], KEYS[19]
local call, states, ids = ARGV[1], ARGV[2], { unpack(ARGV, 3) }
--@include now
--@include types
--@include arguments
--@include answered
--@include state
--@include record
--@include unique
--@include ready
--@include fair
--@include netstring
--@include tally
--@include flowing
--@include edges
--@include abroad
--@include again_as_new
--@include revive
require_arguments(3)
require_types({ jobs, runs, results, stats, unique, extras, producers }, { ready, completed, kept, cancelled, dead, wake, blocked }, { events })
local before = answer_before()
if before then
  return unpack_ids(before)
end
local found, flat, spent, again = {}, {}, 0, false
-- A window limits enqueues: who replays a job knows that it ran before.
local function take_key(id, header)
  local key = read_unique(header)
  if not key or key.ends == '-' then
    return nil
  end
  local holder, run, window_end = holder_of(key.key)
  if run then
    return holder
  end
  redis.call('HSET', unique, key.key, (window_end or '') .. ',' .. id)
end
for i, id in ipairs(ids) do
  if spent > 4194304 then
    break
  end
  -- Read one by one: an id that is given twice was replayed by the first.
  local old = read_run(redis.call('HGET', runs, id))
  local blob = redis.call('HGET', jobs, id)
  -- To write an edge takes as long as to read 4 KiB of a spec.
  spent = spent + #(blob or '') + (flowing and 16384 * weight(id) or 0)
  found[i] = old and old.state or blob and 'q' or ''
  local header = string.match(blob or '', '^(,[^\n]*)\n')
  local over = old and blob and string.find(states, old.state, 1, true)
  local holder = over and take_key(id, header or '')
  if holder then
    found[i] = 'u' .. holder
  elseif over then
    local run = begin_again(id, old, blob)
    again = true
    if rejoin(id) > 0 then
      run.state = 'b'
      redis.call('ZADD', blocked, time, id)
    else
      flat[#flat + 1] = fresh_score(run.header)
      flat[#flat + 1] = id
    end
    redis.call('HSET', runs, id, write_run(run))
    if flowing and #children(id, 'k', 'l', 1) > 0 then
      redis.call('ZADD', edges, 0, '+' .. id)
    end
  end
end
make_ready(flat)
if flowing then
  revive_marked(100)
end
publish()
if again then
  answer(pack_ids(found, 1, #found))
end
return found
