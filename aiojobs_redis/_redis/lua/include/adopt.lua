-- adopt.lua: parked jobs of tasks that the asking worker knows become queued in their order, at their old place; those
-- with a key at a new turn, or a key of which many were parked would keep all others waiting.
-- Needs: record.lua, ready.lua, fair.lua, heads.lua, suspect.lua, unknown, blocked. Gives: adopt(first, most).
-- Only as many as it can start, in the script that claims: a worker that does not know the task
-- would take and park them again. ARGV from first on: task names.
local function adopt(first, most)
  local flat, room = {}, most
  for i = first, #ARGV do
    local task = ARGV[i]
    if room <= 0 then
      break
    end
    local members = redis.call('ZRANGE', unknown, '[' .. task .. ',', '(' .. task .. '-', 'BYLEX', 'LIMIT', 0, room)
    for _, member in ipairs(members) do
      local id = string.sub(member, #task + 19)
      local run = read_run(redis.call('HGET', runs, id))
      redis.call('ZREM', unknown, member)
      if run and redis.call('ZREM', blocked, id) == 1 then
        room = room - 1
        local turn = turns and option(run.header, 'g') and fresh_score(run.header)
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
