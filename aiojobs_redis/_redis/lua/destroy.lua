-- destroy.lua: the queue and all its keys go, and no worker brings them back.
-- Flags: allow-oom
-- KEYS[1] jobs       KEYS[2] runs       KEYS[3] ready      KEYS[4] suspects   KEYS[5] scheduled
-- KEYS[6] retrying   KEYS[7] leases     KEYS[8] blocked    KEYS[9] completed  KEYS[10] kept
-- KEYS[11] cancelled KEYS[12] dead      KEYS[13] results   KEYS[14] errors    KEYS[15] unknown
-- KEYS[16] wake      KEYS[17] due       KEYS[18] schedules KEYS[19] ticks     KEYS[20] ops
-- KEYS[21] producers KEYS[22] rates     KEYS[23] waiters   KEYS[24] unique    KEYS[25] events
-- KEYS[26] stats     KEYS[27] workers   KEYS[28] meta      KEYS[29] extras     KEYS[30] once
-- KEYS[31] once_ends KEYS[32] limits    KEYS[33] tags      KEYS[34] slots      KEYS[35] opens
-- KEYS[36] starts    KEYS[37] edges     KEYS[38] flows     KEYS[39] followers  KEYS[40] actions
-- ARGV[1] born      of the queue that is to go, of mark.lua: another one has taken its place where a call that was
--                   sent again destroyed it before
-- ARGV[2] 1 to destroy even where jobs have not ended
-- Returns -1, or where jobs that have not ended prevented it { how many run, how many wait to run }
local leases, meta, force = KEYS[7], KEYS[28], ARGV[2] == '1'
--@include born
if born ~= ARGV[1] then
  return -1
end
if not force then
  local running, waiting = redis.call('ZCARD', leases), 0
  for _, index in ipairs({ KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[8] }) do
    waiting = waiting + redis.call('ZCARD', index)
  end
  if running + waiting > 0 then
    return { running, waiting }
  end
end
redis.call('UNLINK', unpack(KEYS))
return -1
