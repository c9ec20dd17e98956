"""Faults in what mends a queue: it may neither overlook damage nor touch what is sound."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

REPAIR, CHECK = "lua/repair.lua", "lua/include/check.lua"
QUARANTINE, RESTORE = (f"lua/include/{name}.lua" for name in ("quarantine", "restore"))

_MUTANTS = (
    Mutant("a queue of a newer release is mended", REPAIR, "schema ~= '1'", "not schema"),
    Mutant(
        "an extended lease is shortened",
        CHECK,
        "began and began > now and score > began",
        "began and score > now + 15000",
    ),
    Mutant("a lease left ahead stays", CHECK, "began > now and score > began", "false"),
    Mutant(
        "what no index holds waits for ever",
        CHECK,
        "  elseif not home then",
        "  elseif false then",
    ),
    Mutant(
        "a second index keeps a job",
        CHECK,
        "elseif score and key ~= home then",
        "elseif false then",
    ),
    Mutant(
        "a result without a completion stays",
        CHECK,
        "elseif key == results and state ~= 'c' then",
        "elseif false then",
    ),
    Mutant("a score of 2^53 waits for ever", CHECK, "score < 9007199254740992", "true"),
    Mutant(
        "a parked job is not found by its task again",
        CHECK,
        "    redis.call('ZADD', unknown, 0, unknown_member(task, id, run))\n",
        "",
    ),
    Mutant(
        "a task stays named for no job",
        REPAIR,
        "if not id or not redis.call('ZSCORE', blocked, id) then",
        "if not id then",
    ),
    Mutant(
        "a suspect is put among the dead", QUARANTINE, "q = { ready, suspects },", "q = { ready },"
    ),
    Mutant(
        "a result of its own retention is put among the dead",
        QUARANTINE,
        "c = { completed, kept },",
        "c = { completed },",
    ),
    Mutant(
        "a job among the dead is still queued",
        QUARANTINE,
        "local function quarantine(id, run, why)\n  leave_all(id)\n",
        "local function quarantine(id, run, why)\n",
    ),
    Mutant(
        "a completed job without a record is dead",
        RESTORE,
        "  if not state then\n    return nil\n  end",
        "  if state then\n    return nil\n  end",
    ),
    Mutant("a retention begins anew", RESTORE, "tonumber(run.finished) or now", "now"),
    Mutant(
        "a retention of its own is forgotten",
        RESTORE,
        "run.state == 'c' and keep_result then",
        "false then",
    ),
)

MUTANTS = tuple(mutant._replace(model=False) for mutant in _MUTANTS)
