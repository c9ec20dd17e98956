-- adopt.lua: parked jobs of tasks that the asking worker knows become queued in their order, at their old place; those
-- with a key at a new turn, or a key of which many were parked would keep all others waiting.
-- Needs: record.lua, ready.lua, fair.lua, heads.lua, suspect.lua, allowance.lua where limited, unknown, blocked, ready,
-- paused. Gives: adopt(first, most).
-- Only as many as it can start, in the script that claims: a worker that does not know the task
-- would take and park them again. ARGV from first on: task names, or * for any task: then only what goes before what
-- is in ready, since this asks whether something is parked or not.
local MOST_TASKS = 100
local function parked_head(from, to)
  local member = redis.call('ZRANGE', unknown, from, to, 'BYLEX', 'LIMIT', 0, 1)[1]
  if member then
    local task, score = string.match(member, '^([^,]*),(%d+)')
    return { member = member, task = task, score = tonumber(score) }
  end
end
local function first_parked(most)
  local room = paused and 0 or limited and queue_room(most) or most
  local heads, found, head = {}, {}, room > 0 and parked_head('-', '+')
  while head and #heads < MOST_TASKS do
    heads[#heads + 1] = head
    head = parked_head('(' .. head.task .. '-', '+')
  end
  while #heads > 0 do
    local at = 1
    for i = 2, #heads do
      at = heads[i].score < heads[at].score and i or at
    end
    head = heads[at]
    if #found + redis.call('ZCOUNT', ready, '-inf', '(' .. int(head.score)) >= room then
      break
    end
    found[#found + 1] = head.member
    heads[at] = parked_head('(' .. head.member, '(' .. head.task .. '-')
    if not heads[at] then
      table.remove(heads, at)
    end
  end
  return found
end
local function adopt(first, most)
  local flat, room = {}, most
  for i = first, #ARGV do
    local task = ARGV[i]
    if room <= 0 then
      break
    end
    local members = task == '*' and first_parked(room) or redis.call('ZRANGE', unknown, '[' .. task .. ',', '(' .. task .. '-', 'BYLEX', 'LIMIT', 0, room)
    for _, member in ipairs(members) do
      local id = string.match(member, '^[^,]*,%d+,(.*)$')
      local run = read_run(redis.call('HGET', runs, id))
      redis.call('ZREM', unknown, member)
      if run and redis.call('ZREM', blocked, id) == 1 then
        room = room - 1
        local turn = turns and option(run.header, 'g') and fresh_score(id, run)
        local score = turn or place_of(run)
        if run.lost >= 2 then
          make_suspect(score, id, turn and run.header)
        else
          flat[#flat + 1], flat[#flat + 2] = score, id
        end
        run.state, run.score = 'q', ''
        run.header = string.gsub(run.header, ',n[^,]*', '')
        redis.call('HSET', runs, id, write_run(run))
      end
    end
  end
  if fair then
    keep_heads(flat)
  end
  make_ready(flat)
end
