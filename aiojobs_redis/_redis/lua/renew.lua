-- renew.lua: prolong the leases that a worker still holds, and name those that it does not.
-- Flags: allow-oom
-- KEYS[1] jobs  KEYS[2] runs  KEYS[3] leases  KEYS[4] ops  KEYS[5] errors
-- ARGV[1] incarnation  hex  ARGV[2] unread  counter of the first exchange whose reply is not read yet, or 0
-- ARGV[3] ...          two a lease: id; "token lease_ms"
-- Returns { now, counter up to which all claims of unread exchanges were prolonged or 0, lost ids,
-- two a job to cancel: id; error, the reason }
-- Why unread: a blocked event loop may hold a reply with jobs in it that nobody knows of yet.
local jobs, runs, leases, ops, errors = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local incarnation, unread = ARGV[1], tonumber(ARGV[2])
--@include now
--@include types
--@include record
--@include netstring
--@include resend
require_types({ jobs, runs, ops, errors }, { leases })
local ids, lost, held, cancel = {}, {}, {}, {}
local function prolong(id, lease)
  held[#held + 1], held[#held + 2] = int(now + lease), id
end
for at = 3, #ARGV, 2 do
  ids[#ids + 1] = ARGV[at]
end
local texts = #ids > 0 and redis.call('HMGET', runs, unpack(ids)) or {}
for i, id in ipairs(ids) do
  local token, lease = string.match(ARGV[2 * i + 2], '^(%d+,%x+) (%d+)$')
  local run = read_run(texts[i])
  if token and run and run.state == 'r' and run.fence .. ',' .. run.nonce == token then
    prolong(id, lease)
    if option(run.header, 'z') then
      -- The request added the last error, and until the lease ends no other follows.
      cancel[#cancel + 1] = id
      cancel[#cancel + 1] = string.match(redis.call('HGET', errors, id) or '', '[^\n]*$')
    end
  else
    lost[#lost + 1] = id
  end
end
local operations = unread > 0 and recall(redis.call('HGET', ops, incarnation), unread) or {}
local confirmed, whole = 0, true
for at = #operations, 1, -1 do
  local operation = operations[at]
  texts = #operation.claimed > 0 and redis.call('HMGET', runs, unpack(operation.claimed)) or {}
  for i, id in ipairs(operation.claimed) do
    local run = read_run(texts[i])
    if run and run.state == 'r' and run.nonce == operation.nonce then
      prolong(id, tonumber(option(run.header, 'l')) or 15000)
    else
      whole = false
    end
  end
  confirmed = whole and operation.counter or confirmed
end
if #held > 0 then
  redis.call('ZADD', leases, 'GT', unpack(held))
end
return { now, confirmed, lost, cancel }
