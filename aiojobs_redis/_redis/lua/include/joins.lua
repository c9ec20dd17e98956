-- joins.lua: whether a job with a unique key comes to be one that is there, or of its call: kept out or in its place.
-- Needs: unique.lua, replace.lua; runs, followers. Gives: joins(options), asked in the order of the call.
-- What dedupe.lua decides later, without a write. One that is to follow another is a job more.
local own = {}
local function joins_holder(found)
  local holder, run = holder_of(found.key)
  if not run or found.conflict ~= 'f' or replaceable(holder, run) then
    return holder
  end
  local follower = string.match(redis.call('HGET', followers, holder) or '', ',(.*)$')
  return follower and waits_for(read_run(redis.call('HGET', runs, follower)), found.key)
end
local function joins(options)
  local found = read_unique(options)
  if not found then
    return false
  elseif own[found.key] or joins_holder(found) then
    return true
  end
  own[found.key] = true
  return false
end
