-- growth.lua: how many more jobs wait once those of a call are added, where there may not be room for all of them.
-- Needs: known.lua. Gives: growth(first, count, joins), where joins.lua is given for jobs with a unique key.
-- An id that is taken adds nothing.
local function growth(first, count, joins)
  local known, taken, more = known_ids(first, count), {}, 0
  for i = 1, count do
    local at = first + 3 * (i - 1)
    if not known[i] and not taken[ARGV[at]] and not (joins and joins(ARGV[at + 1])) then
      taken[ARGV[at]] = true
      more = more + 1
    end
  end
  return more
end
