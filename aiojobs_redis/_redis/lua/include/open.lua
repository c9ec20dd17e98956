-- open.lua: a queue exists from its first job or schedule on.
-- Needs: schema, meta, now, int. Gives: open_queue().
-- The sequence starts in the middle of its band; the fence at the clock, so that it goes on growing
-- over a queue that was destroyed or flushed.
local function open_queue()
  if not schema then
    redis.call('HSET', meta, 'schema', 1, 'sequence', '1099511627776', 'fence', int(now * 1024), 'beat', time, 'born', time)
  end
end
