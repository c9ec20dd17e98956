-- enter.lua: many jobs become queued at once, each at the tail of its priority, or in front, or at a turn of its key.
-- Needs: record.lua, ranked.lua, front.lua, ready.lua, fair.lua, suspect.lua; runs. Gives: enter(jobs), of which each has an id and its run.
local function enter(known)
  local wanted, plain = {}, 0
  for _, job in ipairs(known) do
    job.priority, job.key = tonumber(option(job.run.header, 'p')) or 0, turns and option(job.run.header, 'g')
    if job.key then
      wanted[#wanted + 1], wanted[#wanted + 2] = job.priority, job.key
    else
      job.front = front_place(job.run.header)
      plain = plain + (job.front and 0 or 1)
    end
  end
  local sequence, flat, records = take_sequence(plain), {}, {}
  local scores, turn = #wanted > 0 and turns(wanted), 0
  for i, job in ipairs(known) do
    local score
    job.run.state = 'q'
    if job.key then
      turn = turn + 1
      score = scores[turn]
      if fair then
        rank_up(job.id, job.run, score)
      end
    else
      score = int(band(job.priority) + (job.front or sequence))
      sequence = sequence + (job.front and 0 or 1)
    end
    if job.run.lost >= 2 then
      make_suspect(score, job.id, job.run.header)
    else
      flat[#flat + 1], flat[#flat + 2] = score, job.id
    end
    records[2 * i - 1], records[2 * i] = job.id, write_run(job.run)
  end
  if #known > 0 then
    redis.call('HSET', runs, unpack(records))
    make_ready(flat)
  end
end
