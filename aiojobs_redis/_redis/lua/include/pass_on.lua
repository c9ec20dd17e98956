-- pass_on.lua: the end of a script that ends jobs because of others: whoever depends on these is told, and for what is left
-- to be told a worker is rung for.
-- Needs: release.lua, settle.lua, tally.lua, outbox.lua; wake, paused.
release_children(100)
settle()
publish()
if not paused and (left_to_tell() or left_to_send()) then
  redis.call('ZADD', wake, 0, '1')
end
