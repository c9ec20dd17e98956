"""Faults in what producers, people and schedulers call, and in the Python around the scripts."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

ADMIT, RATE, TYPES = (f"lua/include/{name}.lua" for name in ("admit", "rate", "types"))
ONE = "lua/enqueue_one.lua"
READY, OPEN, TALLY = (f"lua/include/{name}.lua" for name in ("ready", "open", "tally"))
ENQUEUE, CANCEL, MOVE = (f"lua/{name}.lua" for name in ("enqueue", "cancel", "move"))
REPLAY, PAUSE, OUTCOME = (f"lua/{name}.lua" for name in ("replay", "pause", "outcome"))
FIRE, SCHEDULE, SWEEP = (f"lua/{name}.lua" for name in ("fire", "schedule", "sweep"))
PAUSE_SCHEDULE, UNSCHEDULE = "lua/pause_schedule.lua", "lua/unschedule.lua"
ANEW = "lua/include/again_as_new.lua"
STATES, DESTROY = "lua/states.lua", "lua/destroy.lua"
HEADER, WITHDRAW = "lua/include/header.lua", "lua/include/withdraw.lua"
TICKS = ("tests/lua/test_ticks.py",)

MUTANTS = (
    Mutant(
        "a batch is not remembered",
        ENQUEUE,
        "  publish()\nend\n-- Without",
        "  publish()\n  return { 'OK', flags, ids ~= '' and ids or nil }\nend\n-- Without",
    ),
    Mutant(
        "a batch older than the last is applied",
        ENQUEUE,
        "if last and counter < tonumber(last) then",
        "if false then",
    ),
    Mutant(
        "a queue is full one job early",
        ENQUEUE,
        "growth(first, count, joins) > max_length",
        "growth(first, count, joins) >= max_length",
        first=("tests/redis/test_full_queues.py",),
    ),
    Mutant("retrying jobs do not fill a queue", ENQUEUE, " + redis.call('ZCARD', retrying)", ""),
    Mutant(
        "an id that is taken is overwritten",
        ADMIT,
        "(known[i] or seen[id]) and '0' or",
        "seen[id] and '0' or",
    ),
    Mutant(
        "an id comes twice in a batch",
        ADMIT,
        "(known[i] or seen[id]) and '0' or",
        "known[i] and '0' or",
    ),
    Mutant(
        "a key adds one job too few at once",
        RATE,
        "at + step <= micros + most * step",
        "at + step < micros + most * step",
    ),
    Mutant("all keys share one bucket", RATE, "option(options, 'g') or ''", "''"),
    Mutant("a bucket is not kept", RATE, "redis.call('ZADD', rates, int(at), key)", ""),
    Mutant(
        "a bucket that a clock left ahead stays empty",
        RATE,
        "if at > micros + (most + 1) * step then",
        "if false then",
    ),
    Mutant("full buckets stay", SWEEP, "redis.call('ZREM', rates, unpack(full))", "0"),
    Mutant(
        "what is due now waits",
        ADMIT,
        " = due_at and due_at > now, ",
        " = due_at and due_at >= now, ",
    ),
    Mutant(
        "an expiry counts from nothing", HEADER, "',x' .. int(now + valid)", "',x' .. int(valid)"
    ),
    Mutant(
        "a batch has one arrival number",
        ADMIT,
        "int(band(priority) + (front or sequence - 1)), id",
        "int(band(priority) + 1), id",
    ),
    Mutant(
        "a delayed job rings for nobody",
        "lua/include/added.lua",
        "if not head or earliest < head then",
        "if head and earliest < head then",
    ),
    Mutant(
        "a lone job is not counted",
        ONE,
        "'HINCRBY', stats, field, 1)",
        "'HINCRBY', stats, field, 0)",
    ),
    Mutant("a lone job rings a paused queue", ONE, "paused and 0 or redis.pcall", "redis.pcall"),
    Mutant(
        "a lone job is added again",
        ONE,
        "if last and counter == last then",
        "if false then",
    ),
    Mutant(
        "a lone job is half there after an error",
        ONE,
        "    redis.call('HDEL', jobs, id)\n    return told\n",
        "    return told\n",
    ),
    Mutant("a lone job makes half a queue", ONE, "if failed or place == 1 then", "if failed then"),
    Mutant(
        "a refusal is not remembered",
        ENQUEUE,
        "  redis.call('HSET', producers, incarnation, ARGV[2] .. ',' .. time .. ',')\n",
        "",
    ),
    Mutant("a batch rings for nobody", READY, "  if not paused then\n", "  if paused then\n"),
    Mutant(
        "priority counts the other way",
        READY,
        "return (1023 - priority)",
        "return (1023 + priority)",
    ),
    Mutant("a new queue begins with old fences", OPEN, "int(now * 1024)", "'0'"),
    Mutant(
        "statistics are of another minute",
        TALLY,
        "int(math.floor(now / 60000))",
        "int(math.ceil(now / 60000))",
    ),
    Mutant(
        "foreign keys are not looked for",
        TYPES,
        "  for _, key in ipairs(sorted_sets) do",
        "  for _, key in ipairs({}) do",
    ),
    Mutant(
        "foreign hashes are not looked for",
        TYPES,
        "  for _, key in ipairs(hashes) do",
        "  for _, key in ipairs({}) do",
    ),
    Mutant(
        "a cancelled job is still parked",
        WITHDRAW,
        "    redis.call('ZREM', unknown, unknown_member(task, id, run))\n",
        "    id = id\n",
    ),
    Mutant(
        "a cancelled suspect stays queued",
        WITHDRAW,
        "q = { ready, suspects }",
        "q = { ready }",
    ),
    Mutant(
        "a finished job is cancelled",
        CANCEL,
        "string.find('cdx', state, 1, true)",
        "string.find('dx', state, 1, true)",
    ),
    Mutant(
        "a cancellation is asked for twice",
        CANCEL,
        "if not option(run.header, 'z') then",
        "if true then",
    ),
    Mutant(
        "a moved job loses its place",
        MOVE,
        "int(band(tonumber(priority)) + place)",
        "int(band(tonumber(priority)) + 1)",
    ),
    Mutant("a promoted job goes on waiting", MOVE, "    redis.call('ZREM', index, id)\n", ""),
    Mutant(
        "a promoted suspect is one no more", MOVE, "    if run.lost >= 2 then", "    if false then"
    ),
    Mutant(
        "a move is forgotten by the next generation",
        MOVE,
        "  header = string.gsub(header, pattern, '') .. option_text\n",
        "",
    ),
    Mutant(
        "a moved delay counts from nothing",
        MOVE,
        "(string.sub(when, 1, 1) == 'y' and now or 0)",
        "0",
    ),
    Mutant(
        "a running job is moved",
        MOVE,
        "if not header or not index and (state ~= 'q' or when ~= '') then",
        "if not header then",
    ),
    Mutant(
        "a replay is no new generation",
        ANEW,
        "int(old.generation + 1)",
        "int(old.generation + 0)",
    ),
    Mutant("a replay keeps the result", ANEW, "  redis.call('HDEL', results, id)\n", ""),
    Mutant("a replay keeps the expiry", ANEW, "or ',[xqb]%d+'", "or ',[qb]%d+'"),
    Mutant("a replay keeps the arrival number", ANEW, "or ',[xqb]%d+'", "or ',[xb]%d+'"),
    Mutant("a replay keeps a time ahead", ANEW, "or now) > now\n", "or now) > 1e15\n"),
    Mutant("a replay forgets its tick", ANEW, "or now) > now\n", "or now) > 0\n"),
    Mutant(
        "a replay hands the old header out",
        ANEW,
        "if header and run.header ~= header then",
        "if false then",
    ),
    Mutant(
        "a replay leaves the old index",
        ANEW,
        "ipairs({ completed, kept, cancelled, dead })",
        "ipairs({ completed, cancelled, dead })",
    ),
    Mutant(
        "a running job is replayed",
        REPLAY,
        "string.find(states, old.state",
        "string.find(states .. 'r', old.state",
    ),
    Mutant(
        "nobody is rung for at resuming",
        PAUSE,
        "+ redis.call('ZCARD', suspects) > 0 then",
        "+ redis.call('ZCARD', suspects) > 9 then",
    ),
    Mutant(
        "of two waiters one is told",
        OUTCOME,
        "(#known < 4096 and known .. ' ' or '') .. channel",
        "channel",
    ),
    Mutant(
        "a tick is fired by every worker",
        FIRE,
        " or tonumber(redis.call('ZSCORE', ticks, id) or -1) ~= tick then",
        " then",
    ),
    Mutant(
        "a tick does not say which jobs it has made",
        FIRE,
        "  flags = admit(",
        "  local flags = admit(",
    ),
    Mutant("a replaced schedule fires", FIRE, "schedule.revision ~= revision", "false"),
    Mutant(
        "a schedule makes one job too many", FIRE, "schedule.runs >= limit", "schedule.runs > limit"
    ),
    Mutant(
        "runs overlap", FIRE, "if count > 0 and skip_overlap and unfinished() then", "if false then"
    ),
    Mutant("missed ticks are not counted", FIRE, "schedule.missed + missed", "schedule.missed"),
    Mutant("the last job is forgotten", FIRE, "  if newest then\n", "  if false then\n"),
    Mutant(
        "a tick without a job is the last",
        FIRE,
        "#newest == count and",
        "true and",
        first=TICKS,
    ),
    Mutant(
        "a tick whose unique key was taken is the last",
        FIRE,
        "  if newest then\n",
        "  newest = flags\n  if newest then\n",
        first=TICKS,
    ),
    Mutant(
        "a new definition ends a pause",
        SCHEDULE,
        "paused = old and old.paused or '0'",
        "paused = '0'",
    ),
    Mutant(
        "a definition that changed is overwritten",
        SCHEDULE,
        "(old and old.revision or '') ~= expected",
        "false",
    ),
    Mutant("the old tick stays", SCHEDULE, "  redis.call('ZREM', ticks, id)\n", ""),
    Mutant("a paused schedule ticks", PAUSE_SCHEDULE, "redis.call('ZREM', ticks, id)\n", ""),
    Mutant(
        "another schedule is paused",
        PAUSE_SCHEDULE,
        "or schedule.revision ~= revision then",
        "then",
    ),
    Mutant(
        "a declared schedule goes",
        UNSCHEDULE,
        "declared and declared < before",
        "declared and declared <= before",
    ),
    Mutant(
        "the tick of a removed schedule stays", UNSCHEDULE, "redis.call('ZREM', ticks, id)\n", ""
    ),
    Mutant(
        "a job without a record has no state", STATES, "== 1 and 'q' or ''", "== 1 and '' or ''"
    ),
    Mutant(
        "running jobs do not keep a queue",
        DESTROY,
        "running + waiting > 0 then",
        "waiting > 0 then",
    ),
    Mutant("a key outlives its queue", DESTROY, "unpack(KEYS)", "unpack(KEYS, 2)"),
    Mutant(
        "scripts are not loaded again",
        "scripts.py",
        'await link.call("SCRIPT", "LOAD", self._body(head))',
        "pass",
    ),
    Mutant(
        "an early exchange looks applied", "store.py", 'early=status == b"EARLY"', "early=False"
    ),
    Mutant(
        "an old exchange looks applied",
        "store.py",
        'if status == b"STALE":',
        'if status == b"STALED":',
    ),
    Mutant("never is a time", "store.py", "return None if ms == _NEVER else ms", "return ms"),
)
