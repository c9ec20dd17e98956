-- trade.lua: a turn of a key has come, and one of its jobs goes before the one that has it: they trade places.
-- All that says where a job waits goes over: its place in ready, or among the jobs of this claim, or with those that a limit
-- holds back, with the slots that it holds. So limits, and keys beside this one, see the same as before.
-- Who gave its turn up has its order from then on (ranked.lua), and so the next turn of its key, unless one of a rank comes between.
-- Needs: ranked.lua, record.lua, budget.lua; trade_slots.lua where limited; slots, ready, blocked, runs, jobs, ranked.
-- Gives: is_ranked(), whether there is any, which the next claim is spared to ask where there is none;
-- trade(i, ids, blobs, texts, header, score) -> the header to run with of what is ids[i] then; score as text.
-- Who has started before and kept its slot goes first: it is for that that it kept it, as a key of one slot has an order.
-- Of a key ten are looked at: those that cannot start now wait before the others.
local LOOKS, looked_at = 10, 0
local function may_start_now(run)
  local expiry, most = tonumber(option(run.header, 'x')), tonumber(option(run.header, 'o'))
  local expired = expiry and expiry < now and run.started == ''
  return run.lost < 2 and not expired and not (most and tonumber(option(run.header, 's') or 0) >= most)
end
-- at: its place in this claim, which has taken it from ready; nil where it is still in its index.
local function found_waiting(id, ids, i)
  local run = read_run(redis.call('HGET', runs, id))
  if not run or not may_start_now(run) or run.state == 'b' and not limited then
    return nil
  end
  local other, at = { id = id, run = run, header = run.header, index = run.state == 'b' and blocked or ready }, nil
  if not redis.call('ZSCORE', other.index, id) then
    for later = i + 1, #ids do
      at = ids[later] == id and later or at
    end
    other.at, other.index = at, nil
  end
  if not other.index and not at then
    return nil
  end
  other.size = big and redis.call('HSTRLEN', jobs, id) or 0
  looked_at = looked_at + other.size
  other.blob = looked_at <= BUDGET and redis.call('HGET', jobs, id)
  return other.blob and other
end
-- As budget.lua counts: one of this claim is counted, and the first of a call may be of any size.
local function is_within_budget(one, other)
  local own = big and #one.blob or 0
  return other.at or spent == own or spent - own + other.size <= BUDGET
end
local function take_place(one, other, ids, blobs, texts)
  one.run.state, one.run.score, one.run.fence, one.run.nonce = other.run.state, other.run.score, '', ''
  local text, at = write_run(one.run), other.at
  redis.call('HSET', runs, one.id, text)
  if at then
    ids[at], blobs[at], texts[at] = one.id, one.blob, text
  else
    redis.call('ZADD', other.index, redis.call('ZSCORE', other.index, other.id), one.id)
    redis.call('ZREM', other.index, other.id)
  end
end
local function trade_with(one, other, score)
  local its, starts = one.header, other.header
  if not is_within_budget(one, other) then
    return nil
  end
  if limited then
    its, starts = trade_slots(one, other)
  end
  if its then
    spent = other.at and spent or spent - (big and #one.blob or 0) + other.size
    one.run.header = its
    if not option(its, 'O') then
      take_rank(one.id, one.run, score)
    end
    return leave_rank(other.id, starts)
  end
end
local function is_ranked()
  if #redis.call('ZRANGE', slots, '[w', '(x', 'BYLEX', 'LIMIT', 0, 1) > 0 then
    return true
  end
  redis.call('HDEL', meta, 'ranked')
  return false
end
local function trade(i, ids, blobs, texts, header, score)
  local run = texts[i] and read_run(texts[i]) or new_run(string.match(blobs[i], '^(,[^\n]*)\n'))
  if not option(header, 'g') or run.lost >= 2 or run.started ~= '' and option(run.header, 'h') then
    return header
  end
  local one = { id = ids[i], run = run, header = run.header, blob = blobs[i], starts = header }
  local list, own = rank_list(header), in_order(header, option(header, 'O') or score)
  local found = redis.call('ZRANGE', slots, '[' .. list, '(' .. string.sub(list, 1, -2) .. '-', 'BYLEX', 'LIMIT', 0, LOOKS)
  for _, member in ipairs(found) do
    local place, id = string.match(member, '^(%d+,%d+),(.*)$', #list + 1)
    if place >= own then
      break
    end
    local other = found_waiting(id, ids, i)
    local starts = other and trade_with(one, other, score)
    if starts then
      take_place(one, other, ids, blobs, texts)
      ids[i], blobs[i], texts[i] = id, other.blob, write_run(other.run)
      return starts
    end
  end
  return header
end
