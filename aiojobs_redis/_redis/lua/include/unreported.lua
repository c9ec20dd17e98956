-- unreported.lua: what became of jobs that no worker reports, for the worker whose call found it out.
-- Needs: tally.lua. Gives: unreported -> ids recovered, dead and cancelled, and where there are some those called off against
-- what their worker reported (conclude.lua), then in turn ids and texts of those that may not wait for what they named
-- (name_parents.lua); nil where there are none, so that a usual reply does not grow. What a completion brings about
-- has its task behind a comma there, and is not among the first three.
local unreported, against, refused = noted.recovered or noted.dead or noted.cancelled, noted.called_off, noted.refused
if unreported or against or refused then
  unreported = { noted.recovered or {}, noted.dead or {}, noted.cancelled or {}, against or refused and {} or nil, refused }
end
