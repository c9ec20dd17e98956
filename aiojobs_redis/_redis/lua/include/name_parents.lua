-- name_parents.lua: running jobs wait for jobs that they have named, which they mostly enqueued themselves.
-- Needs: record.lua, tally.lua, requeue.lua, rest.lua, edges.lua, abroad.lua, rejoin.lua, wait_abroad.lua, circle.lua;
-- naming (codes.lua), jobs, runs, blocked, flows. Done here and once all completions were taken: of those that ended in
-- this call it is known by then, and release.lua tells who waits for them. Gives, in noted.refused, ids and texts
-- (unreported.lua).
-- The value of such a completion, three netstrings: on_parent_failure as its letter, the jobs, and floors as in
-- wait_abroad.lua. Who has completed counts at once; who has failed, or is not there, is marked like any whose children
-- are still to be told. Those that it has already stand before them in its list.
local MOST_PARENTS = 250
-- To try again would not help: it ends.
local function refuse_wait(job, text)
  local line = { type = 'wait_refused', message = text, at = now, attempt = job.run.failures + 1 }
  subject, about = job.id, job.about
  note('failed', job.id)
  bury(job.id, job.run, cjson.encode(line))
  subject = nil
  tally(string.sub(job.about, 2), 'dead', 1)
  noted.refused = noted.refused or {}
  push(noted.refused, job.id, text)
end
-- Whoever nobody waits for is in no circle with others.
local function circle_with(id, names)
  local awaited = #children(id, 'a', 'b', 1) > 0
  looks = MOST_LOOKS
  for _, name in ipairs(names) do
    if name == id or awaited and leads_to(name, id, {}) then
      return name
    end
  end
end
-- Each once.
local function and_others(parents, names)
  local all, seen = {}, {}
  for _, list in ipairs({ parents, names }) do
    for _, name in ipairs(list) do
      all[#all + 1] = not seen[name] and name or nil
      seen[name] = true
    end
  end
  return all
end
-- In jobs too: it is what parents.lua and a replay go by.
local function note_named(id, run, policy, count)
  local more = (option(run.header, 'f') and '' or ',f' .. policy) .. (option(run.header, 'P') and '' or ',P' .. count)
  local header, spec = string.match(more ~= '' and redis.call('HGET', jobs, id) or '', '^(,[^\n]*)(\n.*)$')
  if header then
    redis.call('HSET', jobs, id, header .. more .. spec)
  end
  run.header = run.header .. more
end
local function stand_by(id, run, names)
  local waits, old, members, fields = 0, {}, {}, {}
  for i, letter in ipairs(letters_of(names)) do
    local name = names[i]
    local done = letter == 'c' and not letter_abroad(name)
    waits = waits + (done and 0 or 1)
    old[i] = edge(name, 'd', id)
    push(members, 0, edge(name, done and 'd' or 'a', id))
    if letter_abroad(name) then
      wait_abroad(name, members, fields)
    elseif not done and (letter == '' or string.find('dx', letter, 1, true)) then
      push(members, 0, '!' .. name)
    end
  end
  push(fields, 'n' .. id, waits)
  redis.call('ZREM', edges, unpack(old))
  redis.call('ZADD', edges, unpack(members))
  redis.call('HSET', flows, unpack(fields))
  if waits == 0 then
    redis.call('HDEL', flows, 'n' .. id)
    queue_again(id, run)
    return
  end
  run.state, run.score, run.fence, run.nonce = 'b', '', '', ''
  redis.call('HSET', runs, id, write_run(run))
  redis.call('ZADD', blocked, time, id)
end
for _, job in ipairs(naming) do
  local id, policy, names, floors_text = job.id, unpack(unpack_ids(job.value))
  local parents = parents_of({ id })[id] or {}
  names = and_others({}, unpack_ids(names))
  local all, other = and_others(parents, names), circle_with(id, names)
  if #all > MOST_PARENTS then
    refuse_wait(job, 'job ' .. id .. ' would wait for ' .. #all .. ' jobs, those that it had before included: '
      .. MOST_PARENTS .. ' is the most. Let jobs in between join some of them each')
  elseif other then
    refuse_wait(job, 'job ' .. id .. ' cannot wait for ' .. called(other) .. ', which waits for it, maybe through others')
  else
    -- The holder is well, so the leases lost before say nothing of the job any more.
    job.run.lost = 0
    load_floors(floors_text)
    note_named(id, job.run, policy, #parents)
    redis.call('HSET', flows, 'p' .. id, pack_ids(all, 1, #all))
    stand_by(id, job.run, names)
  end
end
