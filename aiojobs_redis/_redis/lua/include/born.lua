-- born.lua: which queue of its name this is: one that is made after it was destroyed is another.
-- Needs: meta. Gives: born, when it was made, ms; empty where there is none, or a release without this has made it. A key
-- of a foreign type has none either: such a queue can be destroyed too.
local born = redis.pcall('HGET', meta, 'born')
born = type(born) == 'string' and born or ''
