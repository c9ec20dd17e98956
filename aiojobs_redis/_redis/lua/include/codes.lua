-- codes.lua: how the jobs of an exchange ended, as far as that decides what the script has to look at.
-- Needs: arguments.lua; task_count, completions. Gives: adopted, where the names of parked tasks begin; otherwise, whether one
-- ended other than by a success; closes, whether one closes a limit; naming, false, or where one waits for jobs that it
-- named a list, in which conclude.lua puts those for name_parents.lua.
-- The bytes l and w.
local CLOSES, NAMES = 108, 119
local adopted = 10 + task_count + 5 * completions
require_arguments(adopted - 1)
local otherwise, closes, naming, word = false, false, false, nil
for at = 12 + task_count, adopted - 1, 5 do
  if ARGV[at] ~= word then
    -- A success has the number of its task, or c before it.
    word = ARGV[at]
    if string.find(word, '^[^%dc]') then
      otherwise = true
      closes = closes or string.byte(word) == CLOSES
      naming = naming or string.byte(word) == NAMES and {}
    end
  end
end
