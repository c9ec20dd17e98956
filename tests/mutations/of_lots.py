"""Faults in the turns of jobs that the limit of a task holds back."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

LOT, SCOPE, LET_OUT, START, TIDY_SLOTS = (
    f"lua/include/{name}.lua" for name in ("lot", "scope", "let_out", "start", "tidy_slots")
)
LOTS = ("tests/lua/test_lots.py",)

MUTANTS = (
    Mutant(
        "one that was let out keeps its turn with another priority",
        "lua/move.lua",
        "    run.header = string.gsub(run.header, ',t%d*', '')\n",
        "",
        first=("tests/lua/test_lots.py",),
    ),
    Mutant(
        "a key that comes later stands behind all that is held back",
        LOT,
        "if before or not fair or place % BAND < FRONT then",
        "if true then",
        first=LOTS,
    ),
    Mutant(
        "a turn in a lot is before its first",
        LOT,
        "math.min(math.max(place, head), math.max(head, tonumber(turn) or 0) + stride_of(key))",
        "math.min(place, (tonumber(turn) or 0) + stride_of(key))",
        first=LOTS,
    ),
    Mutant(
        "in a lot all jobs of a key have one turn",
        LOT,
        "math.max(head, tonumber(turn) or 0) + stride_of(key)",
        "head + stride_of(key)",
        first=LOTS,
    ),
    Mutant(
        "in a lot all keys weigh the same",
        LOT,
        "return found[1] and math.floor",
        "return false and math.floor",
        first=LOTS,
    ),
    Mutant(
        "who comes back stands behind the others of its key",
        LOT,
        "if last and tonumber(its_place) > place then",
        "if false then",
        first=LOTS,
    ),
    Mutant(
        "who was let out is to have another turn",
        LET_OUT,
        "of_task(scope) and (option(run.header, 't') or int(tonumber(score))))",
        "nil)",
        first=LOTS,
    ),
    Mutant(
        "who was let out is still the last of its key",
        LET_OUT,
        "  if of_task(scope) and holds == '1' then\n",
        "  if false then\n",
        first=LOTS,
    ),
    Mutant(
        "who is held back is not found by its key",
        SCOPE,
        "  if how == 'b' then\n    return head .. turn",
        "  if true then\n    return head .. turn",
        first=LOTS,
    ),
    Mutant(
        "a job that starts keeps its turn in the lot",
        SCOPE,
        "',t%d*', '') ..",
        "',t%d*_', '') ..",
        first=LOTS,
    ),
    Mutant(
        "one that expires as it is claimed keeps its slot for the call",
        START,
        "    counts[scope] = nil\n",
        "    counts[scope] = counts[scope]\n",
        first=LOTS,
    ),
    Mutant(
        "a turn in a lot is taken for damage",
        TIDY_SLOTS,
        "'^([hpluw])([^,]*),(.*)$'",
        "'^([hplw])([^,]*),(.*)$'",
        first=LOTS,
    ),
    Mutant(
        "who has risen passes those of its key",
        "lua/include/precedence.lua",
        "or band(tonumber(option(header, 'p')) or 0) + tonumber(score) % BAND",
        "or tonumber(score)",
        first=("tests/lua/test_ageing.py",),
    ),
)
