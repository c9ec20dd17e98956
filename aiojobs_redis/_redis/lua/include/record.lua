-- record.lua: the run record (value of runs) as a table, and the header's options.
-- Text: state,fence,nonce,score,generation,failures,lost,worker,started,finished + header. The token stands
-- in front, so that accept.lua finds it at a known place.
-- Header: each option as a comma, its letter and its value (docs/redis.md lists the letters).
-- States: q queued, s scheduled, r running, t retrying, b blocked, c completed, d dead, x cancelled.
-- A job that was never anything but queued has no run record; its header stands in jobs.
-- Gives: read_run(text), new_run(header), write_run(run), option(header, letter), finish(run, state) -> text,
-- add_error(id, line), push(list, first, second).
local RUN = '^(%a),(%d*),(%x*),(%d*),(%d+),(%d+),(%d+),([^,]*),(%d*),(%d*)(.*)$'
local function read_run(text)
  if not text then
    return nil
  end
  local state, fence, nonce, score, generation, failures, lost, worker, started, finished, header = string.match(text, RUN)
  if not state then
    return nil
  end
  return {
    state = state,
    generation = generation,
    failures = tonumber(failures),
    lost = tonumber(lost),
    score = score,
    fence = fence,
    nonce = nonce,
    worker = worker,
    started = started,
    finished = finished,
    header = header,
  }
end
local function new_run(header)
  return {
    state = 'q',
    generation = '1',
    failures = 0,
    lost = 0,
    score = '',
    fence = '',
    nonce = '',
    worker = '',
    started = '',
    finished = '',
    header = header,
  }
end
local function write_run(run)
  return run.state .. ',' .. run.fence .. ',' .. run.nonce .. ',' .. run.score .. ',' .. run.generation .. ',' .. run.failures
    .. ',' .. run.lost .. ',' .. run.worker .. ',' .. run.started .. ',' .. run.finished .. run.header
end
local function option(header, letter)
  return string.match(header, ',' .. letter .. '([^,]*)')
end
local function finish(run, state)
  run.state, run.score, run.fence, run.nonce, run.header = state, '', '', '', ''
  run.finished = time
  return write_run(run)
end
local function add_error(id, line)
  local lines = redis.call('HGET', errors, id)
  if lines then
    if select(2, string.gsub(lines, '\n', '')) >= 9 then
      lines = string.match(lines, '^[^\n]*\n(.*)$')
    end
    line = lines .. '\n' .. line
  end
  redis.call('HSET', errors, id, line)
end
local function push(list, first, second)
  local size = #list
  list[size + 1], list[size + 2] = first, second
end
