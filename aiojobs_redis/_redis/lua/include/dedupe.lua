-- dedupe.lua: what becomes of each job of a call in which some have a unique key.
-- Needs: unique.lua; jobs. Gives: dedupe(first, count, spend) -> { flags, holders, taking }: by place in the
-- call a flag as enqueue.lua returns it, ids of the jobs that hold the keys of those left out, in order,
-- and by place the option u of those that take their key. ARGV from first and spend as in admit.lua, which
-- writes what is to be added.
-- An id that is taken comes before a key that is: the job is there, with whatever key it has.
local function dedupe(first, count, spend)
  if count % 1 > 0 then
    error('needs three arguments a job')
  end
  local flags, holders, taking, seen, owners = {}, {}, {}, {}, {}
  local function meet(found)
    local owner = owners[found.key]
    if owner then
      if found.extend and owner.found.window then
        owner.found.window = found.window
      end
      return owner.id
    end
    local holder, _, window_end = holder_of(found.key)
    if holder and found.extend and window_end ~= '' then
      hold_key(holder, found)
    end
    return holder
  end
  for i = 1, count do
    local at = first + 3 * (i - 1)
    local id, options = ARGV[at], ARGV[at + 1]
    local known = seen[id] or redis.call('HEXISTS', jobs, id) == 1
    local found = not known and read_unique(options)
    local holder = found and meet(found)
    if known then
      flags[i] = '0'
    elseif holder then
      flags[i], holders[#holders + 1] = '3', holder
    elseif spend and not spend(options) then
      flags[i] = '2'
    else
      flags[i], seen[id] = '1', true
      if found then
        owners[found.key], taking[i] = { id = id, found = found }, found
      end
    end
  end
  return { flags = flags, holders = holders, taking = taking }
end
