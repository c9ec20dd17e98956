"""Faults in what operators do with jobs that wait, in what they are told, and in caps of starts."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

CLAIM, DRAINED, ADMIT, ADDED, FORWARD = (
    f"lua/include/{name}.lua" for name in ("claim", "drained", "admit", "added", "forward")
)
CHANGE, CLEAR, PROMOTE, REPLAY = (
    f"lua/{name}.lua" for name in ("change", "clear_log", "promote", "replay")
)
ANEW, ANSWERED, DROP = (f"lua/include/{name}.lua" for name in ("anew", "answered", "drop_old"))
MOVE, CANCEL, UNSCHEDULE = (f"lua/{name}.lua" for name in ("move", "cancel", "unschedule"))
# Of a call that is sent again.
LOST = ("tests/redis/test_lost_answers.py",)
DESTROY, BY_THEN = "lua/destroy.lua", "lua/include/by_then.lua"
REMOVED = ("tests/redis/test_removing.py",)
SWEPT = ("tests/lua/test_sweep.py",)

MUTANTS = (
    Mutant("a job starts once more than it may", CLAIM, "or 0) >= most then", "or 0) > most then"),
    Mutant("starts are not counted", CLAIM, "or 0) + 1)", "or 0) + 0)"),
    Mutant(
        "a queue is drained while jobs run", DRAINED, "redis.call('ZCARD', leases) == 0 and ", ""
    ),
    Mutant("a repeated id is not told", ADMIT, "twice[#twice + 1] = id", ""),
    Mutant("a delayed job is not told", ADDED, "note_all('scheduled', waiting)", ""),
    Mutant("a job that falls due is not told", FORWARD, "note('due', job.id)", ""),
    Mutant(
        "a job that is another by now gets the arguments", CHANGE, "if blob ~= before", "if false"
    ),
    Mutant("new arguments find the steps of the old", ANEW, "'p' .. id, 's' .. id, 'c'", "'p'"),
    Mutant(
        "steps of other arguments have the old keys",
        ANEW,
        "run.started == '' and run.generation or run.started",
        "run.generation",
    ),
    Mutant("answers are not noted", ANSWERED, "time .. ',' .. text", "time .. text"),
    Mutant("jobs are replayed again", REPLAY, "if #runs_again + #revived > 0", "if false"),
    Mutant(
        "completed jobs of a retention of their own are passed over",
        "lua/walk.lua",
        "letter == 'k' and 'c' or letter",
        "letter",
        first=("tests/lua/test_walk.py",),
    ),
    Mutant(
        "ended jobs of a long retention are passed over",
        "lua/walk.lua",
        "by_their_end = letter == 'c'",
        "by_their_end = true",
        first=("tests/lua/test_walk.py",),
    ),
    Mutant(
        "a walk goes on behind the last that is wanted",
        "lua/walk.lua",
        " or by_their_end and tonumber(flat[#flat]) > moment",
        "",
        first=("tests/lua/test_walk.py",),
    ),
    Mutant(
        "more jobs are replayed than were asked for",
        "replayer.py",
        "min(_PAGE, self._limit - self.count)",
        "_PAGE",
        first=("tests/redis/worker/test_replay_many.py",),
    ),
    Mutant(
        "what ended at a moment counts as before it",
        "../operating.py",
        'instant_ms("before", before) - 1)',
        'instant_ms("before", before))',
        first=("tests/redis/worker/test_replay_many.py",),
    ),
    Mutant("a running job gets other arguments", CHANGE, "'qstb'", "'qstbr'"),
    Mutant("a cleared log keeps one more", CLEAR, "#places - keep, 0)", "#places - keep - 1, 0)"),
    Mutant(
        "a promoted job waits too", PROMOTE, "scheduled or retrying, id", "scheduled or wake, id"
    ),
    Mutant("any job is promoted", PROMOTE, "string.find(states, run.state, 1, true)", "run"),
    Mutant("an id given twice is promoted twice", PROMOTE, "not seen[id] and ", ""),
    Mutant(
        "a promotion that is sent again is a new one", PROMOTE, "if before then", "if false then"
    ),
    Mutant("a promotion keeps the time of before", PROMOTE, ".. time\nend", ".. (now + 1)\nend"),
    Mutant(
        "a queue made since is destroyed",
        DESTROY,
        "if born ~= ARGV[1] then",
        "if false then",
        first=LOST,
    ),
    Mutant(
        "two cancellations in a millisecond are one",
        "canceller.py",
        "call=secrets.token_hex(4)",
        'call=""',
        first=LOST,
    ),
    Mutant(
        "a drain takes what falls due meanwhile",
        BY_THEN,
        "tonumber(option(run.header, 'w')) or 0",
        "0",
        first=REMOVED,
    ),
    Mutant(
        "a drain takes what was started meanwhile",
        BY_THEN,
        ", tonumber(run.started) or 0)",
        ")",
        first=REMOVED,
    ),
    Mutant(
        "a drain of scheduled jobs too leaves what falls due meanwhile",
        BY_THEN,
        "not takes_scheduled and ",
        "",
        first=REMOVED,
    ),
    Mutant("a cleared log takes a note twice", CLEAR, "head .. string.sub", "'0,0,' .. string.sub"),
    Mutant(
        "a move that is sent again is a new one",
        MOVE,
        "if before then",
        "if false then",
        first=LOST,
    ),
    Mutant("a move is not noted", MOVE, "answer(state)\n", "", first=LOST),
    Mutant(
        "a schedule is removed again by the same call",
        UNSCHEDULE,
        "if answer_before() then",
        "if false then",
        first=LOST,
    ),
    Mutant(
        "a cancellation that is sent again is a new one",
        CANCEL,
        "if before then",
        "if false then",
        first=LOST,
    ),
    Mutant(
        "a wish to cancel a job that runs is not noted", CANCEL, "  answer('r')\n", "", first=LOST
    ),
    Mutant(
        "a cancellation of which nothing is kept is not noted",
        CANCEL,
        "or KEEP_RESULT) < KEEP_RESULT",
        "or KEEP_RESULT) < 0",
        first=LOST,
    ),
    Mutant(
        "a cancellation of which a newer one takes the place is not noted",
        CANCEL,
        "if CAPS[cancelled] or ",
        "if ",
        first=LOST,
    ),
    Mutant(
        "many notes are not forgotten in time", DROP, "behind = true", "behind = false", first=SWEPT
    ),
)
