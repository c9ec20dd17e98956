"""Faults in the places of jobs that go before all others of their priority."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

FRONT, FAIR, REQUEUE, REPLACE, AGEING, LOT, SINCE, ADMIT, ENTER = (
    f"lua/include/{name}.lua"
    for name in (
        *("front", "fair", "requeue", "replace", "ageing", "lot", "since", "admit", "enter"),
    )
)

MUTANTS = tuple(
    Mutant(fault, path, old, new, first=("tests/lua/test_front.py",))
    for fault, path, old, new in (
        ("the oldest in front goes first", FRONT, "FRONT - redis.call(", "FRONT / 2 + redis.call("),
        ("without room in front a place is no number", FRONT, "math.max(0, FRONT", "(FRONT"),
        (
            "who goes first is taken for the head of the turns",
            FAIR,
            "int(first + FRONT), int(first + BAND - 1)",
            "int(first), int(first + BAND - 1)",
        ),
        (
            "who has failed goes first once more",
            REQUEUE,
            "  run.header = string.gsub(run.header, ',L[^,]*', '')\n",
            "",
        ),
        (
            "who takes the place of one in front need not have asked",
            REPLACE,
            "(arrival < FRONT) == (string.find(run.header, ',L', 1, true) ~= nil)",
            "true",
        ),
        ("who goes first hides all others from ageing", AGEING, "front and arrivals or ", ""),
        (
            "of those who go first the newest are looked at",
            AGEING,
            "'(' .. int(arrivals), int(at * BAND), 'BYSCORE', 'REV'",
            "int(at * BAND), '(' .. int(arrivals), 'BYSCORE'",
        ),
        (
            "who goes first has a turn like others behind a limit",
            LOT,
            " or place % BAND < FRONT then",
            " then",
        ),
        (
            "turns behind a limit begin with who goes first",
            LOT,
            "padded(int(first_place + FRONT))",
            "padded(int(first_place))",
        ),
        (
            "the wait of who goes first is not seen",
            SINCE,
            "head < first + FRONT and oldest_in_front(first) or nil",
            "nil",
        ),
        (
            "a job in front takes an arrival",
            ADMIT,
            "        sequence = front and sequence - 1 or sequence\n",
            "",
        ),
        ("who falls due goes to the tail", ENTER, "(job.front or sequence)", "sequence"),
    )
)
