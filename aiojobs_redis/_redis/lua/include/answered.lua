-- answered.lua: a call that is sent again, since its answer was lost, is answered as the first time.
-- Needs: now.lua; producers, call, hex, new for each call. Gives: answer_before() -> text or nil; answer(text).
-- It stands among what producers have sent, where the sweep forgets it after a minute. What changes nothing need
-- not be noted: the same again is no worse.
local function answer_before()
  return string.match(redis.call('HGET', producers, call) or '', '^1,%d+,(.*)$')
end
local function answer(text)
  redis.call('HSET', producers, call, '1,' .. time .. ',' .. text)
end
