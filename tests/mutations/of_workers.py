"""Faults in what a worker's calls do: exchange, renew, beat, leave, sweep."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

ACCEPT, CONCLUDE, REQUEUE, UNSTART, TOKEN = (
    f"lua/include/{name}.lua" for name in ("accept", "conclude", "requeue", "unstart", "token")
)
PARKED, UNSTARTED = (("tests/lua/test_parked.py",), ("tests/lua/test_unstarted.py",))
CLAIM, AGAIN, RESEND = (f"lua/include/{name}.lua" for name in ("claim", "again", "resend"))
RECLAIM, FORWARD, ADOPT, ENTER, PLAIN = (
    f"lua/include/{name}.lua" for name in ("reclaim", "forward", "adopt", "enter", "plain")
)
REST, EVICT, BUDGET = (f"lua/include/{name}.lua" for name in ("rest", "evict", "budget"))
EXCHANGE, BEAT, RENEW = (f"lua/{name}.lua" for name in ("exchange", "beat", "renew"))
DROP_OLD, RECORD = (f"lua/include/{name}.lua" for name in ("drop_old", "record"))
LEAVE, SWEEP = (f"lua/{name}.lua" for name in ("leave", "sweep"))

_SEEN_BY = ("tests/lua/test_exchange_plain.py",)

MUTANTS = (
    Mutant("a plain exchange misses limits", PLAIN, "limited or closes", "closes", first=_SEEN_BY),
    *(
        Mutant(f"a plain exchange misses {name}", PLAIN, old, new, first=_SEEN_BY)
        for name, old, new in (
            ("turns of keys", "'EXISTS', tags, edges", "'EXISTS', edges, edges"),
            ("flows", "'EXISTS', tags, edges", "'EXISTS', tags, tags"),
            ("followers", "edges, followers)", "edges, edges)"),
        )
    ),
    Mutant(
        "turns of keys are forgotten while a job with one runs",
        SWEEP,
        "redis.call('HLEN', jobs) <= ended_jobs and",
        "redis.call('ZCARD', blocked) == 0 and",
        first=("tests/lua/test_turns.py",),
    ),
    Mutant(
        "a job with a key that is to wait leaves no mark of it",
        "lua/include/admit.lua",
        "redis.call('HINCRBY', tags, 'keyed', 1)",
        "redis.call('HINCRBY', meta, 'keyed', 1)",
        first=_SEEN_BY,
    ),
    Mutant(
        "a completion needs no token",
        TOKEN,
        "nonce and string.sub(text, 3, nonce - 1) == token and nonce",
        "nonce",
    ),
    Mutant(
        "the nonce of a token is ignored",
        TOKEN,
        "string.sub(text, 3, nonce - 1) == token and nonce",
        "string.sub(text, 3, fence - 1) == string.match(token, '^%d+') and nonce",
    ),
    Mutant(
        "one call completes a job twice",
        ACCEPT,
        "not seen[id] and token_end",
        "token_end",
    ),
    Mutant(
        "the last freed lease stays", ACCEPT, "if freed_count > 0 then", "if freed_count > 1 then"
    ),
    Mutant("an old token is not named lost", ACCEPT, "lost[#lost + 1] = id", "lost = lost"),
    Mutant(
        "the time of attempts is not added up",
        ACCEPT,
        "spent[number] = spent[number] + ms",
        "spent[number] = tonumber(ms)",
    ),
    Mutant(
        "failures are not counted", CONCLUDE, "run.failures = run.failures + 1", "local _ = run"
    ),
    Mutant("the error of a retry is lost", CONCLUDE, "    add_error(id, value)\n", ""),
    Mutant(
        "a retry waits in scheduled", CONCLUDE, "put_off(retrying, 't'", "put_off(scheduled, 't'"
    ),
    Mutant(
        "a job to be cancelled is retried",
        CONCLUDE,
        "  if option(run.header, 'z') then",
        "  if code == 'x' and option(run.header, 'z') then",
    ),
    Mutant(
        "a job to be cancelled dies of its clean-up",
        CONCLUDE,
        "  if option(run.header, 'z') then",
        "  if code ~= 'd' and option(run.header, 'z') then",
        first=("tests/redis/worker/test_cancel.py",),
    ),
    Mutant(
        "what is handed back loses its place",
        CONCLUDE,
        "run.lost = 0\n    queue_again(id, run, run.score)",
        "run.lost = 0\n    queue_again(id, run)",
    ),
    Mutant(
        "a hand-back keeps the lost leases",
        CONCLUDE,
        "    run.lost = 0\n",
        "",
        first=UNSTARTED,
    ),
    Mutant(
        "a suspect that waited is one no more",
        REQUEUE,
        "if run.lost >= 2 then",
        "if run.lost >= 99 then",
    ),
    Mutant(
        "nobody is rung for an earlier time",
        REQUEUE,
        "if not head or now + delay < head then",
        "if not head then",
    ),
    Mutant(
        "a job that waits keeps its token",
        REQUEUE,
        "run.state, run.score, run.fence, run.nonce = state, '', '', ''",
        "run.state, run.score = state, ''",
    ),
    Mutant(
        "a job comes back a millisecond early",
        REQUEUE,
        "redis.call('ZADD', index, int(now + delay), id)",
        "redis.call('ZADD', index, int(now + delay - 1), id)",
    ),
    Mutant(
        "a parked job is not found by its task",
        REQUEUE,
        "  redis.call('ZADD', unknown, 0, unknown_member(task, id, run))\n",
        "",
    ),
    Mutant(
        "a claim that finds no task counts as a start",
        UNSTART,
        "starts > 0 and ',s' .. int(starts) or ''",
        "',s' .. int(starts + 1)",
        first=PARKED,
    ),
    Mutant(
        "a claim that finds no task holds off the expiry",
        UNSTART,
        "    run.started = ''\n",
        "    run.started = run.started\n",
        first=PARKED,
    ),
    Mutant(
        "one that had started expires after a claim that finds no task",
        CLAIM,
        "          header = header .. ',v'\n",
        "          header = header .. ''\n",
        first=PARKED,
    ),
    Mutant(
        "parked jobs go on by their ids",
        "lua/include/unknown.lua",
        "string.rep('0', 16 - #run.score) .. run.score",
        "string.rep('0', 16)",
        first=PARKED,
    ),
    Mutant(
        "a lease ends a millisecond early",
        RECLAIM,
        "redis.call('ZRANGE', leases, '-inf', '(' .. int(now)",
        "redis.call('ZRANGE', leases, '-inf', int(now)",
    ),
    Mutant(
        "at most once is handed out again",
        RECLAIM,
        "elseif once or run.lost >= limit then",
        "elseif run.lost >= limit then",
    ),
    Mutant(
        "one lost lease more than the limit",
        RECLAIM,
        "elseif once or run.lost >= limit then",
        "elseif once or run.lost > limit then",
    ),
    Mutant("lost leases are not counted", RECLAIM, "run.lost = run.lost + 1", "local _ = run"),
    Mutant(
        "no time to come back after a silence", RECLAIM, "now - beat > 3000", "now - beat > 3e9"
    ),
    Mutant("the time to come back begins again", RECLAIM, "math.abs(now - hold) > 6000", "true"),
    Mutant(
        "a hold of another clock lasts for ever",
        RECLAIM,
        "return now >= hold or hold > now + 4000",
        "return now >= hold",
    ),
    Mutant(
        "a lost job that was to be cancelled runs",
        RECLAIM,
        "if option(run.header, 'z') then\n        call_off(id, run)\n      elseif",
        "if",
    ),
    Mutant(
        "a lost job keeps its token",
        RECLAIM,
        "run.state, run.fence, run.nonce = 'q', '', ''",
        "run.state = 'q'",
    ),
    Mutant(
        "a lease that ran out stays", RECLAIM, "  redis.call('ZREM', leases, unpack(ids))\n", ""
    ),
    Mutant("a lost suspect is queued with all", RECLAIM, "if run.lost >= 2 then", "if false then"),
    Mutant("a paused queue claims", CLAIM, "if paused or limit <= 0 then", "if limit <= 0 then"),
    Mutant("a job expires early", CLAIM, "expiry and expiry < now", "expiry and expiry <= now"),
    Mutant(
        "a started job expires",
        CLAIM,
        " and not (run and run.started ~= '') then",
        " then",
    ),
    Mutant(
        "two jobs of a claim get one fence",
        CLAIM,
        "      fence = fence + 1\n",
        "      fence = math.max(fence, tonumber(redis.call('HGET', meta, 'fence')))\n",
    ),
    Mutant(
        "fences are given out twice",
        CLAIM,
        "redis.call('HINCRBY', meta, 'fence', #ids) - #ids",
        "redis.call('HINCRBY', meta, 'fence', 1) - 1",
    ),
    Mutant(
        "a suspect overtakes a higher job",
        BUDGET,
        "tonumber(suspect[2]) > tonumber(popped[#popped])",
        "false",
    ),
    Mutant(
        "the lease of a job's own is ignored", CLAIM, "lease and int(now + lease) or usual", "usual"
    ),
    Mutant("the lease that is asked for is ignored", CLAIM, "own_lease or LEASE", "LEASE"),
    Mutant(
        "the lease that is asked for gives way to the job's own",
        CLAIM,
        "options and not own_lease and",
        "options and",
    ),
    Mutant(
        "a job that made room for a suspect is lost",
        BUDGET,
        "    redis.call('ZADD', ready, int(tonumber(popped[at + 1])), popped[at])\n",
        "",
    ),
    Mutant(
        "a claimed suspect stays in suspects",
        BUDGET,
        "  redis.call('ZREM', suspects, suspect[1])\n",
        "",
    ),
    Mutant(
        "suspects come although none may",
        CLAIM,
        "may_suspect and suspected and take_suspect",
        "suspected and take_suspect",
    ),
    Mutant(
        "a job that became a suspect in this call is not looked for",
        "lua/include/suspect.lua",
        "  suspected = true\n",
        "",
    ),
    Mutant(
        "another end than a success is not looked for before the types",
        "lua/include/codes.lua",
        "      otherwise = true\n",
        "",
        first=("tests/lua/test_wrong_types.py",),
    ),
    Mutant(
        "what was laid to rest in this call is not counted",
        "lua/include/settle.lua",
        "sizes[index] and sizes[index] + #list / 2",
        "sizes[index]",
        first=_SEEN_BY,
    ),
    Mutant(
        "more than the last one is taken to be left",
        "lua/include/drained.lua",
        "queued > limit and",
        "queued >= limit and",
    ),
    Mutant(
        "what is due stays in its index",
        FORWARD,
        "    redis.call('ZREM', job.index, job.id)\n",
        "",
    ),
    Mutant(
        "the latest due time goes first", FORWARD, "return a.due < b.due", "return a.due > b.due"
    ),
    Mutant(
        "of equal due times the last one goes first",
        FORWARD,
        "return a.sequence < b.sequence",
        "return a.sequence > b.sequence",
    ),
    Mutant(
        "a suspect that was due is one no more",
        ENTER,
        "if job.run.lost >= 2 then",
        "if false then",
    ),
    Mutant("an adopted suspect is one no more", ADOPT, "if run.lost >= 2 then", "if false then"),
    Mutant("more is adopted than can start", ADOPT, "        room = room - 1\n", ""),
    Mutant(
        "who takes any task adopts what is behind other jobs",
        ADOPT,
        "#found + redis.call('ZCOUNT', ready, '-inf', '(' .. int(head.score))",
        "#found",
        first=PARKED,
    ),
    Mutant(
        "of parked jobs those of one task go first",
        ADOPT,
        "heads[i].score < heads[at].score and i or at",
        "at",
        first=PARKED,
    ),
    Mutant(
        "only the last exchange is remembered",
        RESEND,
        "at and text .. string.sub(before, 1, at + size - 1) or text",
        "text",
    ),
    Mutant(
        "the claims of a renewal begin too late",
        RESEND,
        "tonumber(counter) >= least do",
        "tonumber(counter) > least do",
    ),
    Mutant(
        "a resend hands out what is held by another",
        AGAIN,
        "run.state == 'r' and run.nonce == operation.nonce",
        "run.state == 'r'",
    ),
    Mutant(
        "an exchange without claims is not remembered",
        EXCHANGE,
        "if completions > 0 or limit > 0 then",
        "if #claimed > 0 then",
    ),
    Mutant(
        "an early exchange is applied",
        EXCHANGE,
        "if after > last then",
        "if false then",
    ),
    Mutant(
        "an exchange older than the last is applied",
        AGAIN,
        "return counter < last and 'STALE'",
        "return false and 'STALE'",
    ),
    Mutant(
        "an exchange sent again is applied again",
        AGAIN,
        "if operation and operation.counter == counter then",
        "if false then",
    ),
    Mutant(
        "what is due this millisecond waits",
        EXCHANGE,
        "due_at >= 0 and due_at <= now",
        "due_at >= 0 and due_at < now",
    ),
    Mutant(
        "no bell for what is left",
        "lua/include/drained.lua",
        "local waits = left > 0",
        "local waits = left > 1",
    ),
    Mutant(
        "the next due time is an old one",
        EXCHANGE,
        "(moved or overdue or released or flowing or kinds",
        "(overdue or released or flowing or kinds",
    ),
    Mutant(
        "a renewal needs no token",
        RENEW,
        "run.state == 'r' and run.fence .. ',' .. run.nonce == token",
        "run.state == 'r'",
    ),
    Mutant(
        "a renewal makes a lease shorter",
        RENEW,
        "redis.call('ZADD', leases, 'GT', ",
        "redis.call('ZADD', leases, ",
    ),
    Mutant(
        "an unread claim of another is renewed",
        RENEW,
        "run.state == 'r' and run.nonce == operation.nonce",
        "run.state == 'r'",
    ),
    Mutant("a worker is not told to cancel", RENEW, "      cancel[#cancel + 1] = id\n", ""),
    Mutant("all lead", BEAT, "if leads then", "if true then"),
    Mutant(
        "a leader is replaced too early",
        BEAT,
        "tonumber(lead[2]) < now",
        "tonumber(lead[2]) <= now",
    ),
    Mutant(
        "a leader of another clock leads for ever",
        BEAT,
        " or tonumber(lead[2]) > now + lead_ms",
        "",
    ),
    Mutant(
        "an exchange that comes after the end claims",
        LEAVE,
        "redis.call('HSET', ops, incarnation, '9007199254740991,' .. time .. ',0,')\n",
        "redis.call('HDEL', ops, incarnation)\n",
    ),
    Mutant("a lost claim looks renewed", RENEW, "      whole = false\n", ""),
    Mutant(
        "a worker that leaves goes on leading",
        LEAVE,
        "  redis.call('HDEL', meta, 'leader', 'leader_until')\n",
        "",
    ),
    Mutant(
        "what is a minute old is swept",
        DROP_OLD,
        "if not at or at < limit then",
        "if not at or at <= limit then",
    ),
    Mutant(
        "a parked job that died is still parked",
        "lua/include/parked.lua",
        "      redis.call('ZREM', unknown, unknown_member(task, id, run))\n",
        "",
    ),
    Mutant("full for ever", SWEEP, "  redis.call('HDEL', meta, 'tight')\n", "  tight = nil\n"),
    Mutant("errors outlive their job", EVICT, "    redis.call('HDEL', errors, unpack(ids))\n", ""),
    Mutant(
        "results outlive their job", EVICT, "    redis.call('HDEL', results, unpack(ids))\n", ""
    ),
    Mutant(
        "a result goes a millisecond late",
        EVICT,
        "'-inf', int(cutoff)",
        "'-inf', '(' .. int(cutoff)",
    ),
    Mutant(
        "more goes than was asked for",
        EVICT,
        "'BYSCORE', 'LIMIT', 0, most)",
        "'BYSCORE', 'LIMIT', 0, -1)",
    ),
    Mutant(
        "a result that nobody wants is kept",
        REST,
        "if keep == 0 or (tight and not waited and not read_later) then",
        "if tight and not waited and not read_later then",
    ),
    Mutant("who was told is told again", REST, "  redis.call('HDEL', waiters, id)\n", ""),
    Mutant(
        "nobody is told of a dead job", REST, "  tell(id, 'd', line, keep == 0 or CAPS[dead])\n", ""
    ),
    Mutant(
        "errors grow without a limit", RECORD, "'\\n', '')) >= 9 then", "'\\n', '')) >= 900 then"
    ),
    Mutant(
        "a retention of dead jobs is ignored",
        REST,
        "int(now + keep - KEEP_DEAD)",
        "int(now)",
    ),
)
