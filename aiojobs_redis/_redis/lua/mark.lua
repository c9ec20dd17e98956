-- mark.lua: where the life of a queue stands, for a call that is to spare what comes later.
-- Flags: allow-oom
-- KEYS[1] meta
-- Returns the moment, ms, and when the queue was made, as born.lua tells it
local meta = KEYS[1]
--@include now
--@include born
return { now, born }
