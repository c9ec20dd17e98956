-- arguments.lua: refuse a call that lacks arguments before the first write, since Redis does not roll back.
-- Gives: require_arguments(least).
local function require_arguments(least)
  if #ARGV < least then
    error('needs ' .. least .. ' arguments, got ' .. #ARGV)
  end
end
