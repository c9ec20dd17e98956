-- vacate.lua: unique keys that nobody holds any more are forgotten, a page of them a call.
-- Needs: unique.lua, follow.lua. Gives: vacate(cursor) -> the next cursor, keys that were forgotten.
-- A job whose end Redis or somebody else has lost keeps nobody waiting; nor does one that will only be buried: parked
-- where no worker knew its task, it has expired meanwhile.
local function let_followers_go()
  for _, leader in ipairs(following and redis.call('HRANDFIELD', followers, 100) or {}) do
    local run = read_run(redis.call('HGET', runs, leader))
    local key, id = string.match(redis.call('HGET', followers, leader) or '', '^([^,]*),(.*)$')
    if not run or string.find('cdx', run.state, 1, true) or has_expired(run) then
      let_follow(leader)
    elseif not id or not waits_for(read_run(redis.call('HGET', runs, id)), key) then
      redis.call('HDEL', followers, leader)
    end
  end
end
local function vacate(cursor)
  let_followers_go()
  local page, stale = redis.call('HSCAN', unique, cursor, 'COUNT', 500), {}
  for i = 1, #page[2], 2 do
    if not holder_of(page[2][i]) then
      stale[#stale + 1] = page[2][i]
    end
  end
  if #stale > 0 then
    redis.call('HDEL', unique, unpack(stale))
  end
  return page[1], #stale
end
