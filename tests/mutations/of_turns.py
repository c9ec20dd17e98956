"""Faults in the turns of keys: debts of jobs that went, and places that claims have passed."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

DEBTS, WALK, HEADS, WITHDRAW, REPLACE, REQUEUE, SUSPECT = (
    f"lua/include/{name}.lua"
    for name in ("debts", "walk_debts", "heads", "withdraw", "replace", "requeue", "suspect")
)
FORGIVE, MOVE = (f"lua/{name}.lua" for name in ("forgive", "move"))

_FIRST = ("tests/lua/test_debts.py",)

MUTANTS = tuple(
    Mutant(fault, path, old, new, first=_FIRST)
    for fault, path, old, new in (
        ("a removed job leaves a debt", WITHDRAW, "    give_up(run.header)\n", ""),
        ("a replaced job leaves a debt", REPLACE, "      give_up(before)\n", ""),
        ("a moved job leaves a debt", MOVE, "    give_up(run.header)\n", ""),
        (
            "a key with many debts loses a page of them",
            DEBTS,
            "'pages', 1), text)",
            "'pages', 1), '')",
        ),
        (
            "a key that got a job during the walk is forgiven",
            WALK,
            "if now_there[1] == entry.tag and last <= heads[priority] then",
            "if last <= heads[priority] then",
        ),
        ("a key is forgiven what it still has", WALK, "math.max(entry.met, scores[i] % BAND)", "0"),
        ("a key passes its suspect", WALK, "tonumber(now_there[2] or 0))", "0)"),
        (
            "a walk goes by the place of its last job alone",
            WALK,
            "'-inf', score)",
            "'-inf', '(' .. score)",
        ),
        (
            "a walk ends with its first part",
            WALK,
            "return meet(ids, scores) and left <= most",
            "return meet(ids, scores)",
        ),
        (
            "a suspect takes no note of its turn",
            SUSPECT,
            "    keep_floor(header or '', score)\n",
            "",
        ),
        (
            "how far claims have come is lost with the first job that comes back",
            REQUEUE,
            "    keep_heads(score and { score } or {})\n",
            "",
        ),
    )
)
