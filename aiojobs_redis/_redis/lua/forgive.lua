-- forgive.lua: a key of which jobs left their places without having run (debts.lua) stands behind the last that it has
-- left, or at the head.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] ready  KEYS[4] meta  KEYS[5] tags
-- ARGV[1] most   jobs to look at
-- Returns 1 where there is more to look at at once, else 0
-- One walk over ready is for all keys of a page, a part of it a call, whoever makes it:
-- tags: walk -> a line a key: its tag when the walk began, the furthest place met, "priority,key";
-- walked -> score and id of the last job that was looked at.
-- What happens in between does no harm:
--   a job of the key comes       the tag has changed since the walk began, and stays
--   one comes back, or is let out  to a place at or before the head (heads.lua), which every new one is behind
--   one rises as it ages         towards the head, as the walk goes: it was met, or is to be
--   the last one looked at goes  all with its score are looked at again: many may have one
--   one that was met goes        its key is noted anew, for the next walk
--   nobody makes the next call   whoever leads next goes on, since the walk is kept here and not in a worker
local jobs, runs, ready, meta, tags = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local most = tonumber(ARGV[1])
--@include now types arguments state record ranked ready fair
require_arguments(1)
require_types({ jobs, runs, tags }, { ready })
if not schema then
  return 0
end
local found = redis.call('HMGET', tags, 'walk', 'walked', 'pages', 'debts')
local walk, walked, pages, debts = found[1], found[2], tonumber(found[3] or 0), found[4]
if not walk and pages == 0 and not debts then
  return 0
end
local entries, fields = {}, {}
--@include walk_debts
if walk then
  for tag, met, field in string.gmatch(walk, '(%d+) (%d+) ([^\n]*)\n') do
    add_entry(field, tag, tonumber(met))
  end
else
  walked = begin_walk()
end
local last = #fields == 0 or look_at_some()
if not last then
  redis.call('HSET', tags, 'walk', write_walk(), 'walked', walked)
  return 1
end
forgive()
return pages > 0 and 1 or 0
