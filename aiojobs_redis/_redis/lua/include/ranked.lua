-- ranked.lua: jobs that have a priority among those of their key (option G), and jobs that gave their turn to one of these.
-- A turn is its key's: who of the key has it is decided when it comes (trade.lua), so that a job that goes first takes
-- nothing from other keys, and moves none of its own. Until then each waits at a turn of its own, as without all that.
-- slots has "w<priority>,<key>,<9999 less the rank>,<order>,<id>" of score 0 for each, while its record has the option O, the order.
-- The first of a key there goes before all of it that have no such member and a further place.
--
--   queued at a new turn, of a rank     both come: the order is that turn
--   held back by a limit, let out       both stay
--   gave its turn to another            both come, if they were not there: the order is the turn that it had first
--   starts; ends or goes without a start; gets another priority                   both go
--   replaced before its start           both stay, with the rank of the other one, where it keeps its turn; else as when it is queued
--   handed back, or reclaimed           none: it stands before all of its key that have not been claimed
--
-- Needs: record.lua, types.lua; slots, meta. Gives: rank_list(header), with what members of its key begin; in_order(header, order), what is
-- compared of them; rank_member(id, header); take_rank(id, run, order), which leaves the header to the caller to write; rank_up(id, run, turn),
-- the same for one that has a rank; leave_rank(id, header) -> header; require_ranks(first, count), before anything is written, for new
-- jobs (ARGV from first as for admit.lua).
-- ranked, of state.lua or of the script, is true from the first of a call on.
local function require_ranks(first, count)
  for i = first + 1, first + 3 * count, 3 do
    if string.find(ARGV[i], ',G', 1, true) then
      require_types({ runs }, { slots })
      return
    end
  end
end
local function rank_list(header)
  return 'w' .. (option(header, 'p') or '0') .. ',' .. (option(header, 'g') or '') .. ','
end
local function in_order(header, order)
  return int(9999 - (tonumber(option(header, 'G')) or 0)) .. ',' .. string.rep('0', 16 - #order) .. order
end
local function rank_member(id, header)
  return rank_list(header) .. in_order(header, option(header, 'O')) .. ',' .. id
end
local function leave_rank(id, header)
  if not string.find(header, ',O', 1, true) then
    return header
  end
  redis.call('ZREM', slots, rank_member(id, header))
  return (string.gsub(header, ',O%d*', ''))
end
local function take_rank(id, run, order)
  run.header = leave_rank(id, run.header) .. ',O' .. order
  redis.call('ZADD', slots, 0, rank_member(id, run.header))
  redis.call('HSET', meta, 'ranked', 1)
  ranked = true
end
local function rank_up(id, run, turn)
  if string.find(run.header, ',G', 1, true) and option(run.header, 'g') then
    take_rank(id, run, turn)
  end
end
