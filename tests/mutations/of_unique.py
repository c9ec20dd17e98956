"""Faults in unique jobs: keys held too long or too briefly, followers that are lost."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

UNIQUE, DEDUPE, FOLLOW, REPLACE, WITHDRAW, VACATE = (
    f"lua/include/{name}.lua"
    for name in ("unique", "dedupe", "follow", "replace", "withdraw", "vacate")
)
FREE, REPLAY = "lua/free.lua", "lua/replay.lua"
MUTANTS = (
    *(
        Mutant(fault, f"lua/{name}.lua", old, new, first=("tests/lua/test_followers.py",))
        for fault, name, old, new in (
            (
                "a third one comes between one that has expired and what waits for it",
                "include/unique",
                " or is_followed(id, run, key)",
                "",
            ),
            (
                "what waits for one that has expired waits on",
                "include/vacate",
                " or has_expired(run)",
                "",
            ),
            (
                "what followed one that is given up is blocked on",
                "include/parked",
                "elseif run and run.state == 'b' then",
                "elseif run then",
            ),
            (
                "what was asked of all that end says that nobody follows",
                "include/awaited",
                "followed[ids[i]] = text",
                "followed[ids[i]] = false",
            ),
            (
                "a follower ends the window of the first one",
                "include/follow",
                "or ''\n",
                "and ''\n",
            ),
            (
                "one in the place of another keeps its window",
                "include/replace",
                "    hold_key(id, read_unique(options))\n",
                "    id = id\n",
            ),
        )
    ),
    *(
        Mutant(
            fault, f"lua/include/{name}.lua", old, new, first=("tests/redis/test_full_queues.py",)
        )
        for fault, name, old, new in (
            ("a full queue refuses an id that is taken", "growth", "not known[i] and ", ""),
            (
                "an id given twice makes a queue longer twice",
                "growth",
                "      taken[ARGV[at]] = true\n",
                "",
            ),
            ("a full queue refuses another payload", "joins", " or replaceable(holder, run)", ""),
            ("two of a key in a call are two", "joins", "own[found.key] or ", ""),
            (
                "what follows has room in a full queue",
                "joins",
                "run or found.conflict ~= 'f'",
                "run or true",
            ),
        )
    ),
    Mutant(
        "a key is held by a job that has ended or started",
        UNIQUE,
        "found.ends == 'd' or found.ends == 's' and run.started == ''",
        "found.ends ~= '-'",
    ),
    Mutant(
        "a key until the start is free as long as its job waits",
        UNIQUE,
        "found.ends == 's' and run.started == ''",
        "found.ends == 's' and run.started ~= ''",
    ),
    Mutant(
        "a job that expired before its start keeps its key",
        UNIQUE,
        "run.started == '' and (tonumber(option(run.header, 'x')) or now) < now",
        "false",
    ),
    Mutant(
        "a job that has started loses its key at its expiry",
        UNIQUE,
        "return run.started == '' and (tonumber(",
        "return (tonumber(",
    ),
    Mutant(
        "a window ends with its job",
        UNIQUE,
        "elseif now < (tonumber(window_end) or 0) then",
        "elseif false then",
    ),
    Mutant(
        "a window is a millisecond too long",
        UNIQUE,
        "elseif now < (tonumber(window_end) or 0) then",
        "elseif now <= (tonumber(window_end) or 0) then",
    ),
    Mutant(
        "two of one key come in one call",
        DEDUPE,
        "taking[i], owners[found.key] = own, own",
        "taking[i] = own",
    ),
    Mutant(
        "a job that is kept out does not start the window again",
        DEDUPE,
        "  elseif found.extend and window_end ~= '' then\n    hold_key(id, found)\n",
        "",
    ),
    Mutant(
        "a running job is replaced",
        REPLACE,
        "local waits = WAITS[run.state] and run.started == ''",
        "local waits = run.state ~= 'c'",
    ),
    Mutant(
        "what came last runs before what came earlier",
        REPLACE,
        "return waits and (run.worker == '' or not redis.call('HGET', followers, id))",
        "return waits",
        first=("tests/lua/test_followers.py",),
    ),
    Mutant(
        "a replaced job loses its place",
        REPLACE,
        "local score = keeps and int(band(priority) + arrival)",
        "local score = nil",
    ),
    Mutant(
        "a replaced job keeps its old arguments",
        REPLACE,
        "redis.call('HSET', jobs, id, stored .. '\\n' .. spec)",
        "spec = spec",
    ),
    Mutant("a follower is lost", FOLLOW, "  if waits_for(run, key) then\n", "  if false then\n"),
    Mutant(
        "a follower goes on without its key",
        FOLLOW,
        "    redis.call('HSET', unique, key, window_end .. ',' .. follower)\n",
        "",
    ),
    Mutant(
        "a follower does not wait for its own time",
        FOLLOW,
        "math.max(now, tonumber(option(run.header, 'w')) or now)",
        "now",
    ),
    Mutant(
        "a follower that is cancelled is waited for",
        WITHDRAW,
        "    redis.call('HDEL', followers, leader)\n",
        "    leader = nil\n",
    ),
    Mutant(
        "a second follower takes the place of the first",
        DEDUPE,
        "if waits_for(waiting, found.key) then",
        "if false then",
    ),
    Mutant(
        "a follower is not blocked",
        UNIQUE,
        "  redis.call('HSET', followers, leader.id, leader.key .. ',' .. id)\n",
        "",
        first=("tests/lua/test_followers.py",),
    ),
    Mutant(
        "who does not hold a key gives it up", FREE, "if holder ~= id then", "if not holder then"
    ),
    Mutant(
        "a key that was given up is held on",
        FREE,
        "redis.call('HDEL', unique, found.key)\n",
        "run = nil\n",
        first=("tests/lua/test_followers.py",),
    ),
    Mutant(
        "keys that nobody holds stay",
        VACATE,
        "    redis.call('HDEL', unique, unpack(stale))\n",
        "    stale = {}\n",
    ),
    Mutant(
        "a replaced job loses its turn",
        "lua/include/replace.lua",
        "key and key == option(before, 'g')",
        "nil and key == option(before, 'g')",
        first=("tests/redis/test_unique_replacement.py",),
    ),
    Mutant(
        "a job that is replaced by one with another key keeps its turn",
        "lua/include/replace.lua",
        "key and key == option(before, 'g') and",
        "key and",
        first=("tests/redis/test_unique_replacement.py",),
    ),
    Mutant(
        "a job that is replaced by one with a key leaves no mark of it",
        "lua/include/replace.lua",
        "redis.call('HINCRBY', tags, 'keyed', 0)",
        "redis.call('HLEN', tags)",
        first=("tests/redis/test_unique_replacement.py",),
    ),
)
