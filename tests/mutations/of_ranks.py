"""Faults in who of a key goes first."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

RANKED, TRADE, SLOTS, LINE, FAIR, REPLACE = (
    f"lua/include/{name}.lua"
    for name in ("ranked", "trade", "trade_slots", "line", "fair", "replace")
)
RANKS = ("tests/redis/test_key_priority.py",)

MUTANTS = (
    Mutant(
        "nobody goes before another of its key",
        TRADE,
        "    if place >= own then",
        "    if true then",
        first=RANKS,
    ),
    Mutant(
        "who gave its turn up stands behind its key",
        TRADE,
        "      take_rank(one.id, one.run, score)\n",
        "",
        first=RANKS,
    ),
    Mutant(
        "one that has expired takes the turn of another",
        TRADE,
        "local expired = expiry and expiry < now and run.started == ''",
        "local expired = false",
        first=RANKS,
    ),
    Mutant(
        "who keeps its slot for the next attempt is passed",
        TRADE,
        " or run.started ~= '' and option(run.header, 'h') then",
        " then",
        first=RANKS,
    ),
    Mutant(
        "a claim looks for ever where nobody has a rank",
        TRADE,
        "redis.call('HDEL', meta, 'ranked')",
        "redis.call('HGET', meta, 'ranked')",
        first=RANKS,
    ),
    Mutant(
        "who takes a slot leaves it with the other",
        SLOTS,
        "  take_slots(how, scopes, one.id)\n",
        "",
        first=("tests/model/test_model.py", "-k", "valkey"),
    ),
    Mutant(
        "who is held back is let out by the name of who went",
        SLOTS,
        "      add_parked(scopes[place], its, score, one.id, header)\n",
        "",
        first=RANKS,
    ),
    Mutant(
        "tasks with limits of their own trade slots",
        SLOTS,
        "  if name ~= its_name and not",
        "  if false and not",
        first=RANKS,
    ),
    Mutant(
        "who leaves goes before its key still",
        RANKED,
        "  redis.call('ZREM', slots, rank_member(id, header))",
        "  redis.call('ZSCORE', slots, rank_member(id, header))",
        first=RANKS,
    ),
    Mutant(
        "one that falls due has no rank",
        "lua/include/enter.lua",
        "        rank_up(job.id, job.run, score)\n",
        "",
        first=RANKS,
    ),
    Mutant(
        "who is replaced loses the turn that it gave up",
        REPLACE,
        "    elseif turn and option(before, 'O') then",
        "    elseif false then",
        first=RANKS,
    ),
    Mutant(
        "a claim does not see who was ranked in its own call",
        RANKED,
        "  ranked = true\n",
        "",
        first=RANKS,
    ),
    Mutant(
        "large payloads keep their places",
        TRADE,
        "return other.at or spent == own or spent - own + other.size <= BUDGET",
        "return spent + other.size <= BUDGET",
        first=RANKS,
    ),
    Mutant(
        "who is replaced in its turn keeps its rank",
        REPLACE,
        "    leave_rank(id, before)\n",
        "",
        first=RANKS,
    ),
)
