"""Faults in the lines of keys: who counts until its first start, and who is refused."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

LINE, LINE_UP, LINED, REFUSE = (
    f"lua/include/{name}.lua" for name in ("line", "line_up", "lined", "refuse")
)
DEDUPE, REPLACE, CLAIM = (f"lua/include/{name}.lua" for name in ("dedupe", "replace", "claim"))
AGAIN, WITHDRAW, TIDY = (
    f"lua/include/{name}.lua" for name in ("again_as_new", "withdraw", "tidy_slots")
)
FLOW, FIRE = (f"lua/{name}.lua" for name in ("enqueue_flow", "fire"))

MUTANTS = (
    Mutant("a line takes one more", LINE_UP, ">= most_of_key", "> most_of_key"),
    Mutant("a line ends in the next key's", LINE_UP, "',', '(l'", "'', '(l'"),
    Mutant("those of one call do not count", LINE_UP, "lengths[key] = lengths[key] + 1\n", ""),
    Mutant("who moves to another line is in both", LINE_UP, "    keep_out(from)\n", ""),
    Mutant(
        "a line is left without its member",
        LINE,
        "  redis.call('ZREM', slots",
        "  redis.call('ZSCORE', slots",
    ),
    Mutant(
        "a start does not leave the line",
        CLAIM,
        "options and leave_line(id, header) or header",
        "header",
    ),
    Mutant("a replayed job stands in line", AGAIN, "',[xqb]%d+'", "',[xq]%d+'"),
    Mutant("a removed job stays in line", WITHDRAW, "leave_line(id, run.header)", "run.header"),
    Mutant("what is over the rate takes a place", REFUSE, "      keep_out(options)\n", ""),
    Mutant(
        "who replaces another stays in its line",
        REPLACE,
        "    change_line(id, before, run.header)\n",
        "",
    ),
    Mutant(
        "any line takes who replaces another",
        DEDUPE,
        "and not may_line_up(options, run.header)",
        "and false",
    ),
    Mutant("a flow is added beside a full line", FLOW, "'[25]'", "'2'"),
    Mutant(
        "a tick that found its line full is not missed",
        FIRE,
        "gsub(flags, '5', '')",
        "gsub(flags, '7', '')",
    ),
    Mutant(
        "a member of a line without a job stays",
        TIDY,
        "sound = stands_in_line(rest, scope)",
        "sound = true",
        model=False,
    ),
    Mutant(
        "who is missing in line is not put there",
        LINED,
        "    join_line(id, run.header)\n",
        "",
        model=False,
    ),
    Mutant(
        "who is queued and missing in line is not put there",
        LINED,
        "    join_line(id, header_of(id))\n",
        "",
        model=False,
    ),
)
