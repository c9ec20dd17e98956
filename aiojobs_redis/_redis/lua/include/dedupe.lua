-- dedupe.lua: what becomes of each job of a call in which some have a unique key.
-- Needs: unique.lua, replace.lua, line_up.lua where most_of_key; jobs, runs, followers. Gives: dedupe(first, count, refuse) -> { flags, holders,
-- taking, behind }: by place in the call a flag as enqueue.lua returns it; ids of the jobs that are there instead of those
-- left out, in order; by place what takes its key, with its option u as found; by place id and key of the job whose end
-- another waits for. ARGV from first and refuse as in admit.lua.
-- An id that is taken comes before a key that is: the job is there, with whatever key it has.
local KEPT, REPLACED, FULL = '3', '4', '5'
-- Two of one key in one call: the first is written, with what the last one says.
local words = ARGV
local function supersede(first, last)
  words[first.at + 1] = string.match(words[first.at + 1], '^%d+') .. string.match(words[last + 1], '^%d+(.*)$')
  words[first.at + 2] = words[last + 2]
end
-- first: the one of this call that takes the key.
local function meet_own(first, found, at)
  if found.conflict ~= 'k' and most_of_key and not may_line_up(words[at + 1], words[first.at + 1]) then
    return FULL
  elseif found.conflict ~= 'k' then
    supersede(first, at)
    first.found = found
    return REPLACED, first.id
  elseif found.extend and first.found.window then
    first.found.window = found.window
  end
  return KEPT, first.id
end
-- pending: by the id that they follow, the followers of this call. Returns a flag and an id; or nil and the
-- id of the job that the new one is to follow.
local function meet_holder(id, run, window_end, found, at, pending)
  local options, spec = string.match(ARGV[at + 1], '^%d+(.*)$'), ARGV[at + 2]
  if run and found.conflict ~= 'k' and replaceable(id, run) then
    if most_of_key and becomes_another(run) and not may_line_up(options, run.header) then
      return FULL
    end
    replace(id, run, options, spec)
    return REPLACED, id
  elseif run and found.conflict == 'f' and pending[id] then
    if most_of_key and not may_line_up(options, words[pending[id].at + 1]) then
      return FULL
    end
    supersede(pending[id], at)
    return REPLACED, pending[id].id
  elseif run and found.conflict == 'f' then
    local follower = string.match(redis.call('HGET', followers, id) or '', ',(.*)$')
    local waiting = follower and read_run(redis.call('HGET', runs, follower))
    if waits_for(waiting, found.key) then
      if most_of_key and not may_line_up(options, waiting.header) then
        return FULL
      end
      replace(follower, waiting, options, spec, true)
      return REPLACED, follower
    end
    return nil, id
  elseif found.extend and window_end ~= '' then
    hold_key(id, found)
  end
  return KEPT, id
end
local function dedupe(first, count, refuse)
  if count % 1 > 0 then
    error('needs three arguments a job')
  end
  local flags, holders, taking, behind, seen, owners, pending = {}, {}, {}, {}, {}, {}, {}
  for i = 1, count do
    local at = first + 3 * (i - 1)
    local id, options = ARGV[at], ARGV[at + 1]
    local known = seen[id] or redis.call('HEXISTS', jobs, id) == 1
    local found, flag, other = not known and read_unique(options), known and '0', nil
    if found and owners[found.key] then
      flag, other = meet_own(owners[found.key], found, at)
    elseif found then
      local holder, run, window_end = holder_of(found.key)
      if holder then
        flag, other = meet_holder(holder, run, window_end, found, at, pending)
      end
    end
    flags[i] = flag or refuse and refuse(options) or '1'
    if flag and other then
      holders[#holders + 1] = other
    elseif flags[i] == '1' then
      seen[id] = true
      local own = { id = id, at = at, found = found }
      if other then
        behind[i], pending[other] = { id = other, key = found.key }, own
      elseif found then
        taking[i], owners[found.key] = own, own
      end
    end
  end
  return { flags = flags, holders = holders, taking = taking, behind = behind }
end
