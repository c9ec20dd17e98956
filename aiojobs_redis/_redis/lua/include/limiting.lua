-- limiting.lua: what a script has to know of limits before anything is written.
-- Needs: types.lua, peek.lua; limited, kinds, limits, slots, opens, starts, scheduled, retrying. Gives: next_due() -> ms or -1.
-- A completion may be what brings the first limit. A first start leaves the line of its key (line.lua) without any.
require_types({ limits }, { opens, slots })
if limited then
  require_types({ starts }, {})
end
local function next_due()
  local at, open = soonest(scheduled, retrying), kinds ~= '' and head_of(opens)
  return open and (at < 0 or open < at) and open or at
end
