-- refuse.lua: which jobs of a call are not added, since their key has its number, or is over its rate.
-- Needs: line_up.lua where most_of_key, rate.lua where rated. Gives: refuse(options) -> flag of enqueue.lua, or nil;
-- no function where nothing is refused.
-- What finds its line full spends nothing of the rate, and what is over the rate takes no place in the line.
local refuse = (rated or most_of_key) and function(options)
  if most_of_key and not may_line_up(options) then
    return '5'
  elseif rated and not spend(options) then
    if most_of_key then
      keep_out(options)
    end
    return '2'
  end
end
