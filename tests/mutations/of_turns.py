"""Faults in the turns of keys: debts of jobs that went, places that claims have passed, ageing."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

DEBTS, WALK, HEADS, WITHDRAW, REPLACE, REQUEUE, SUSPECT = (
    f"lua/include/{name}.lua"
    for name in ("debts", "walk_debts", "heads", "withdraw", "replace", "requeue", "suspect")
)
AGEING, BEHIND, LET_OUT, RECLAIM = (
    f"lua/include/{name}.lua" for name in ("ageing", "behind", "let_out", "reclaim")
)
AGE, FORGIVE, MOVE = (f"lua/{name}.lua" for name in ("age", "forgive", "move"))

_FIRST = ("tests/lua/test_debts.py",)

_OF_DEBTS = tuple(
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
            "    keep_heads(score and run.lost < 2 and { score } or {})\n",
            "",
        ),
    )
)

_OF_ROUNDS = tuple(
    Mutant(fault, path, old, new, first=("tests/lua/test_ageing.py",))
    for fault, path, old, new in (
        (
            "no round looks behind the first ten of a priority",
            AGEING,
            "  deep = deep or index == ready and #ids == most\n",
            "",
        ),
        (
            "a round judges by the clock",
            BEHIND,
            "and lift_page(page, goal, moment)",
            "and lift_page(page, goal, now)",
        ),
        ("a round comes no further", BEHIND, "rank and rank + 1 or", "rank or"),
        (
            "a round leaves out those beside one that has gone",
            BEHIND,
            "'-inf', '(' .. score)",
            "'-inf', score)",
        ),
        (
            "a key may pass what rose in a round",
            BEHIND,
            "      keep_floor(rising[i], score)\n",
            "",
        ),
        ("a round goes on by another level", AGE, "redis.call('HDEL', meta, 'aged_from')\n", ""),
        (
            "who is handed back behind a round is passed by its key",
            REQUEUE,
            "run.lost < 2 and risen(score, run.header) or score",
            "score",
        ),
        (
            "whose lease is lost behind a round is passed by its key",
            RECLAIM,
            "            score = risen(score, run.header)\n",
            "",
        ),
        (
            "who is let out behind a round is passed by its key",
            LET_OUT,
            "fair and risen(score, run.header) or score",
            "score",
        ),
    )
)

MUTANTS = (*_OF_DEBTS, *_OF_ROUNDS)
