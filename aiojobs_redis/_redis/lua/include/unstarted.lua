-- unstarted.lua: a job ends, dead, instead of being claimed.
-- Needs: tally.lua, rest.lua; start.lua where limited. Gives: EXPIRED, TOO_OFTEN; end_unstarted(id, run, header, blob,
-- error as it is stored).
local EXPIRED = '{"type":"expired","message":"not started before its expiry","attempt":1,"at":%s}'
local TOO_OFTEN = '{"type":"max_starts","message":"started as often as max_starts allows","attempt":%d,"at":%s}'
local function end_unstarted(id, run, header, blob, line)
  tally('?', 'dead', 1)
  if limited then
    pass_on(header, blob)
  end
  bury(id, run, line)
end
