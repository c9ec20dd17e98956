-- front.lua: a job that asked to go first (option L) goes before all that wait in its priority; of several, the one that
-- became ready last goes first.
-- Arrivals begin at 2^40 (open.lua), so there are as many places before them. meta.front counts those that were given, from
-- there down: each is before all that were given before, and none is given twice, so nothing that waits is looked at.
-- A place is the job's own as that of any other is: handed back, let out by a limit or known again, it stands there, before
-- all arrivals and behind those that asked later. It takes no arrival, and keys take no turn behind it: neither the first
-- of a priority (head_tag) nor that of a lot (lot.lua) is sought among these. Such a job has no key: the turns of its key
-- would say the opposite.
--
--   enqueued, due, free of its parents, promoted, replayed      a new place in front
--   another priority, risen as it aged     the same place there, as with the arrivals
--   fails or snoozes                       the option goes from its record: it has had its turn, and comes to the tail like
--                                          any other, or one that never ends would keep all others waiting
--   runs again as the next generation      the option is there again, from the header in jobs
--   replaced by another one (replace.lua)  keeps its place where both asked or neither did; else a new one
--
-- After 2^40 of them in one queue all get the first place there is, and stand in order of their ids.
-- Needs: meta. Gives: front_place(header) -> a new place, nil for a job that did not ask.
local function front_place(header)
  return string.find(header, ',L', 1, true) and math.max(0, FRONT - redis.call('HINCRBY', meta, 'front', 1)) or nil
end
