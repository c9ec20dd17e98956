"""Faults in limits: slots that are not freed, windows that are off, jobs that nobody lets out."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

SCOPE, START, ALLOWANCE, STARTS, OPENING, CLOSE, CHECK, CONCLUDE, CLAIM = (
    f"lua/include/{name}.lua"
    for name in (
        *("scope", "start", "allowance", "starts", "opening", "close", "check", "conclude"),
        "claim",
    )
)
AGEING, WAITED, LET_OUT = (f"lua/include/{name}.lua" for name in ("ageing", "waited", "let_out"))
LIMIT, SWEEP = (f"lua/{name}.lua" for name in ("limit", "sweep"))
TIDY_SLOTS, UNCOUNT, UNSTART = (
    f"lua/include/{name}.lua" for name in ("tidy_slots", "uncount", "unstart")
)

SLOTS, AGES, UNSTARTED = (
    (f"tests/lua/test_{name}.py",) for name in ("slots", "ageing", "unstarted")
)

MUTANTS = (
    Mutant(
        "a slot is not freed",
        SCOPE,
        "      redis.call('ZREM', slots, 'h' .. scopes[place] .. ',' .. id)\n",
        "",
    ),
    Mutant(
        "nobody hears of a freed slot",
        SCOPE,
        "    redis.call('ZADD', opens, 'LT', time, scope)\n",
        "",
    ),
    Mutant(
        "a cancelled job is still held back",
        SCOPE,
        "redis.call('ZREM', slots, parked_members(scopes[place], how,",
        "string.len(parked_members(scopes[place], how,",
    ),
    Mutant(
        "what holds a slot waits among the others",
        SCOPE,
        "(how == 'b' and '0' or '1')",
        "'1'",
    ),
    Mutant(
        "who is held back is passed by who comes later",
        "lua/include/precedence.lua",
        "return is_before(firsts[scope], turn,",
        "return false and is_before(firsts[scope], turn,",
        first=SLOTS,
    ),
    Mutant(
        "who is held back with a slot is passed",
        "lua/include/precedence.lua",
        "return holds == '0' and { -1, -1 } or {",
        "return {",
        first=SLOTS,
    ),
    Mutant(
        "the room of one that ended instead of starting is left to nobody",
        "lua/include/unstarted.lua",
        "    pass_on(header, blob)\n",
        "",
        first=SLOTS,
    ),
    Mutant(
        "the room of one that is held back elsewhere is left to nobody",
        START,
        "      leave_room(scopes, rules_of, place + 1)\n",
        "",
        first=SLOTS,
    ),
    Mutant(
        "a lowered limit does not hold for who has a slot",
        START,
        "how[place] == 'h' and holders(scope) > rule.concurrency",
        "false",
        first=SLOTS,
    ),
    Mutant(
        "one job more than the limit runs",
        START,
        "full = rule.concurrency and holders(scope) >= rule.concurrency",
        "full = rule.concurrency and holders(scope) > rule.concurrency",
    ),
    Mutant(
        "a job takes a slot that it has",
        START,
        "if rule and how[place] ~= 'h' then",
        "if rule then",
    ),
    Mutant(
        "one let out of its task starts without a slot of its key",
        START,
        "if rule and how[place] ~= 'h' then",
        "if rule and how[place] ~= 'h' and how[3] ~= 'h' then",
        first=SLOTS,
    ),
    Mutant(
        "one that waits for its key keeps the slot of its task",
        START,
        "      give_back(id, scopes, how, place)\n",
        "",
        first=SLOTS,
    ),
    Mutant(
        "a slot that is given back is counted still",
        START,
        "counts[scope] and counts[scope] - 1, true",
        "counts[scope], true",
        first=SLOTS,
    ),
    Mutant(
        "a slot that is given back is told to nobody",
        START,
        "counts[scope] and counts[scope] - 1, true",
        "counts[scope] and counts[scope] - 1, nil",
        first=SLOTS,
    ),
    Mutant(
        "a job of a full window loses its slot of the key",
        START,
        "how[place] = how[place] == 'h' and 'b' or 'p'",
        "how[place] = 'p'",
    ),
    Mutant(
        "nobody looks when a window opens for who is held back",
        START,
        "    redis.call('ZADD', opens, 'LT', int(at), scope)\n",
        "",
    ),
    Mutant(
        "a start does not count for its key",
        START,
        "      count_start(scope, rules_of[place])\n",
        "      if place > 1 then count_start(scope, rules_of[place]) end\n",
    ),
    Mutant(
        "a start that was none is taken out of a window that never had it",
        UNCOUNT,
        "string.match(run.header, ',y(%a+)/([^,]*)')",
        "'kbt', 'work'",
        first=UNSTARTED,
    ),
    Mutant(
        "a start that was none stays in its window",
        UNCOUNT,
        "window.total - 1, true, true",
        "window.total - 1, false, true",
        first=UNSTARTED,
    ),
    Mutant(
        "nobody hears of room that a start leaves that was none",
        UNCOUNT,
        "window.new, freed[scope] = each[2] - 1, window.total - 1, true, true",
        "window.new = each[2] - 1, window.total - 1, true",
        first=UNSTARTED,
    ),
    Mutant(
        "a claim that was no start counts for max_starts",
        UNSTART,
        "or 0) - 1",
        "or 0)",
        first=UNSTARTED,
    ),
    Mutant(
        "a start before one that was none is forgotten",
        UNSTART,
        "if not string.find(run.header, ',v', 1, true) then",
        "if true then",
        first=UNSTARTED,
    ),
    Mutant(
        "leases that were lost say nothing once a job is handed back unbegun",
        CONCLUDE,
        "    unstart(run)\n    queue_again",
        "    unstart(run)\n    run.lost = 0\n    queue_again",
        first=UNSTARTED,
    ),
    Mutant(
        "a window moves on a tick early",
        ALLOWANCE,
        "(window.ticks[i][1] + 1) * window.size + rule.window",
        "window.ticks[i][1] * window.size + rule.window",
    ),
    Mutant(
        "a window has one start too many",
        ALLOWANCE,
        "window.total - rule.count + 1, 1",
        "window.total - rule.count, 1",
    ),
    Mutant(
        "starts of another window are forgotten",
        ALLOWANCE,
        "size == found.size and tick or math.floor(((tick + 1) * size - 1) / found.size)",
        "size == found.size and tick or 0",
    ),
    Mutant(
        "a clock that is set back closes a window for long",
        ALLOWANCE,
        " and at <= current + 64 then",
        " then",
    ),
    Mutant(
        "running jobs do not count for the limit of the queue",
        ALLOWANCE,
        "rule.concurrency - redis.call('ZCARD', leases) or limit",
        "rule.concurrency or limit",
    ),
    Mutant(
        "a key of its own limit has that of each key too",
        ALLOWANCE,
        "local kind = not text and (",
        "local kind = (",
    ),
    Mutant("starts are not written down", STARTS, "redis.call('HSET', starts, scope, text)", "0"),
    Mutant(
        "nobody looks when a full window opens",
        STARTS,
        "        redis.call('ZADD', opens, scope == 'q' and 'CH' or 'XX', int(at), scope)\n",
        "        at = now\n",
    ),
    Mutant(
        "windows of keys that came once stay",
        STARTS,
        "redis.call('HDEL', starts, unpack(gone))",
        "do end",
    ),
    Mutant(
        "who is let out holds no slot",
        LET_OUT,
        "    redis.call('ZADD', slots, 0, 'h' .. scope .. ',' .. id)\n"
        "    counts[scope], how[place] = holders(scope) + 1, 'h'\n",
        "    how[place] = '-'\n",
    ),
    Mutant(
        "who is let out goes to the tail",
        LET_OUT,
        "score = int(tonumber(score))",
        "score = int(band(0) + take_sequence(1))",
    ),
    Mutant(
        "a suspect is let out among the others", LET_OUT, "if run.lost >= 2 then", "if false then"
    ),
    Mutant(
        "all are let out where one slot is free",
        OPENING,
        "full = not holds and rule and rule.concurrency and holders(scope) >= rule.concurrency",
        "full = false",
    ),
    Mutant(
        "a closed scope is let out",
        OPENING,
        "if rule and rule.closed > now then",
        "if false then",
    ),
    Mutant(
        "the shorter of two pauses counts",
        CLOSE,
        "math.max(now + ms, tonumber(redis.call('HGET', limits, 'c' .. scope) or 0))",
        "now + ms",
    ),
    Mutant(
        "a limit that is raised lets nobody out",
        LIMIT,
        "redis.call('ZADD', opens, time, of_each and '*' or scope)\n",
        "",
    ),
    Mutant(
        "a snoozed job keeps its slot",
        CONCLUDE,
        "waits alone.\n    if limited then\n",
        "waits alone.\n    if false then\n",
    ),
    Mutant(
        "a job that failed loses its slot",
        CONCLUDE,
        "    run.failures = run.failures + 1\n",
        "    run.failures = run.failures + 1\n    local _ = limited and let_go(id, run)\n",
    ),
    Mutant(
        "who is held back leaves a worker idle",
        CLAIM,
        "until not limited or found < wanted",
        "until found < wanted or true",
    ),
    Mutant(
        "a job that is held back is taken for damage",
        CHECK,
        "  if waits then\n",
        "  if false then\n",
        model=False,
    ),
    Mutant(
        "a slot of a job that is gone stays",
        TIDY_SLOTS,
        "      redis.call('ZREM', slots, member)\n",
        "",
        model=False,
    ),
    Mutant(
        "the janitor lets nobody out",
        SWEEP,
        "  redis.call('ZADD', opens, 'LT', time, '*')\n",
        "  do end\n",
    ),
    Mutant("a job rises a millisecond late", WAITED, "since >= below", "since > below", first=AGES),
    Mutant(
        "who rises goes to the tail",
        AGEING,
        "tonumber(found[2 * i]) % BAND",
        "take_sequence(1)",
    ),
    Mutant(
        "a job that was put off has waited all the time",
        WAITED,
        "or now, tonumber(option(header, 'w')) or 0)",
        "or now, 0)",
        first=AGES,
    ),
    Mutant(
        "who has waited for a level rises by all of them",
        WAITED,
        "local below = 1023 - (tonumber(option(header, 'p')) or 0) - top",
        "local below = math.min(1, 1023 - (tonumber(option(header, 'p')) or 0) - top)",
        first=AGES,
    ),
    Mutant(
        "priorities that no claim has come to are not looked at",
        AGEING,
        "      redis.call('HSET', meta, 'aged', int(from))\n",
        "      from = 0\n",
    ),
    Mutant("suspects do not rise", AGEING, "{ suspects, ready }", "{ ready }"),
)
