"""Faults in what jobs leave beside their records and emit, and in calls that are made once."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

JOT, TAKE, END, EMIT = (f"lua/{name}.lua" for name in ("jot", "take_once", "end_once", "emit"))
SWEEP, ANEW = "lua/sweep.lua", "lua/include/again_as_new.lua"
EXTRAS, EVICT, ONCE, EMITTED = (
    f"lua/include/{name}.lua" for name in ("extras", "evict", "once", "emitted")
)
MUTANTS = (
    Mutant(
        "a note is taken whatever its token",
        JOT,
        "run.state ~= 'r' or run.fence .. ',' .. run.nonce ~= ARGV[at + 1]",
        "run.state ~= 'r'",
    ),
    Mutant(
        "a record does not say what it carries", JOT, "run.header = run.header .. ',j'", "do end"
    ),
    Mutant(
        "a note that is sent again is taken again",
        EXTRAS,
        "owner == fence and tonumber(last) >= number",
        "false",
    ),
    Mutant(
        "a note of an older lease hides newer ones", EXTRAS, "owner == fence and ", "", model=False
    ),
    Mutant(
        "a full Redis takes progress and logs",
        EXTRAS,
        " or tight and (kind == 'p' or kind == 'l')",
        "",
    ),
    Mutant(
        "the log is lost by what a job emits",
        EXTRAS,
        "string.sub(text, at or #text + 1), told and '' or body) or body",
        "told and '' or string.sub(text, at or #text + 1), told and '' or body) or body",
        first=("tests/lua/test_jot.py",),
    ),
    Mutant(
        "what a job emits in one call goes beyond an entry",
        EMITTED,
        "#emitted == 64 or emitted_bytes + #text > 16384",
        "#emitted == 64",
        model=False,
        first=("tests/lua/test_jot.py",),
    ),
    Mutant(
        "what a process emits is told again",
        EMIT,
        "counter <= tonumber(last)",
        "counter < tonumber(last)",
        model=False,
        first=("tests/lua/test_jot.py",),
    ),
    Mutant(
        "whoever follows a job ends before it has read all",
        "event_stream.py",
        "        self._ended = await self._look()\n        if self._ended:\n",
        "        if await self._look():\n            return None\n        if self._ended:\n",
        model=False,
        first=("tests/redis/test_job_events.py",),
    ),
    Mutant(
        "the older part of a list is lost",
        EXTRAS,
        "kind == 'l' and end_of(older .. list) or older .. list",
        "list",
    ),
    Mutant(
        "what a job left outlives it",
        EVICT,
        "      forget_extras(ids)\n",
        "",
    ),
    Mutant(
        "a job that completed does not start anew",
        ANEW,
        "redis.call('HDEL', extras, 'p' .. id, 's' .. id, 'c' .. id, 'd' .. id)",
        "redis.call('HDEL', extras, 'p' .. id)",
    ),
    Mutant(
        "a replay does not say what it carries", ANEW, "run.header = run.header .. ',j'", "do end"
    ),
    Mutant("a call is made beside its owner", TAKE, "found and found.token ~= token", "false"),
    Mutant("a late owner records its call", END, "not runs_under(id, token) or ", ""),
    Mutant(
        "the result of a call counts for ever",
        ONCE,
        "ends ~= '' and tonumber(ends) > now",
        "ends ~= ''",
    ),
    Mutant(
        "the death of an owner is not seen",
        ONCE,
        "kind == 'o' and runs_under(string.sub(text, at), token)",
        "kind == 'o'",
    ),
    Mutant("a call is never forgotten", SWEEP, "removed = removed + forget_onces(most)\n", ""),
)
