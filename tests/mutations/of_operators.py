"""Faults in what operators do with jobs that wait, in what they are told, and in caps of starts."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

CLAIM, DRAINED, ADMIT, FORWARD = (
    f"lua/include/{name}.lua" for name in ("claim", "drained", "admit", "forward")
)
CHANGE, CLEAR = (f"lua/{name}.lua" for name in ("change", "clear_log"))

MUTANTS = (
    Mutant("a job starts once more than it may", CLAIM, "or 0) >= most then", "or 0) > most then"),
    Mutant("starts are not counted", CLAIM, "or 0) + 1)", "or 0) + 0)"),
    Mutant(
        "a queue is drained while jobs run", DRAINED, "redis.call('ZCARD', leases) == 0 and ", ""
    ),
    Mutant("a repeated id is not told", ADMIT, "twice[#twice + 1] = id", ""),
    Mutant("a delayed job is not told", ADMIT, "note_all('scheduled', waiting)", ""),
    Mutant("a job that falls due is not told", FORWARD, "note('due', job.id)", ""),
    Mutant(
        "a job that is another by now gets the arguments", CHANGE, "if blob ~= before", "if false"
    ),
    Mutant("a running job gets other arguments", CHANGE, "'qstb'", "'qstbr'"),
    Mutant("a cleared log keeps one more", CLEAR, "#places - keep, 0)", "#places - keep - 1, 0)"),
    Mutant("a cleared log takes a note twice", CLEAR, "head .. string.sub", "'0,0,' .. string.sub"),
)
