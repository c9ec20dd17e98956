-- break_wait.lua: a job waits in a circle for one whose id another has by now, and is told that the one it meant is gone.
-- Flags: allow-oom
-- KEYS[1] jobs      KEYS[2] runs      KEYS[3] ready     KEYS[4] suspects   KEYS[5] scheduled
-- KEYS[6] blocked   KEYS[7] completed KEYS[8] kept      KEYS[9] cancelled  KEYS[10] dead
-- KEYS[11] results  KEYS[12] errors   KEYS[13] waiters  KEYS[14] stats     KEYS[15] events
-- KEYS[16] meta     KEYS[17] extras   KEYS[18] slots    KEYS[19] opens     KEYS[20] wake
-- KEYS[21] due      KEYS[22] tags     KEYS[23] edges    KEYS[24] flows     KEYS[25] unique
-- KEYS[26] followers
-- ARGV[1] id   ARGV[2] its generation and when it was enqueued, as waits.lua gave it   ARGV[3] name of the other
-- Returns { 1 where it was told, 0 where it waits for it no more; unreported (unreported.lua) }
-- Others that wait for the same name may mean the job that has it now: they go on waiting.
local jobs, runs, ready, suspects, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local blocked, completed, kept, cancelled, dead = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local results, errors, waiters, stats, events = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local meta, extras, slots, opens, wake = KEYS[16], KEYS[17], KEYS[18], KEYS[19], KEYS[20]
local due, tags, edges, flows, unique, followers = KEYS[21], KEYS[22], KEYS[23], KEYS[24], KEYS[25], KEYS[26]
local id, incarnation, name = ARGV[1], ARGV[2], ARGV[3]
--@include now
--@include types
--@include arguments
--@include state
--@include record
--@include ranked
--@include front
--@include ready
--@include fair
--@include peek until_due
--@include netstring
--@include tally
--@include flowing
--@include among edges
--@include outbox
--@include unique
--@include following
--@include follow
--@include evict
--@include scope
--@include depart
--@include line
--@include rest
--@include settle
--@include abroad
--@include named again_as_new rejoin
--@include enqueued
--@include died_of policy
--@include revive
--@include release
--@include awaits
require_arguments(3)
require_types({ jobs, runs, results, errors, stats, extras, flows }, { ready, suspects, scheduled, blocked, completed, kept, cancelled, dead, slots, opens, wake, due, edges }, { events })
if not schema or incarnation_of(id) ~= incarnation or not awaits(id, name) then
  return { 0 }
end
tell_child(name, '', id)
--@include pass_on unreported
return { 1, unreported or nil }
