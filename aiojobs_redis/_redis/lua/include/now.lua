-- now.lua: the server's clock in integer milliseconds, read once a script.
-- Gives: now, int(number) -> text, time (now as text). Lua's tostring rounds large numbers, %d does not.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function int(number)
  return string.format('%d', number)
end
local time = int(now)
