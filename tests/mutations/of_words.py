"""Faults in what operators ask of workers, and in what the registry says of those."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

ASK, BEAT, LEAVE, REGISTRY, COUNTS = (
    f"lua/{name}.lua" for name in ("ask_worker", "beat", "leave", "registry", "counts")
)
DROP_OLD = "lua/include/drop_old.lua"
_GONE = "not seen or now - seen >= 60000"
_DROP = "redis.call('HDEL', meta, 'word ' .. worker)"
_NEW = "not schema and ARGV[7] ~= '1'"

_WORDS = ("tests/lua/test_words.py",)
_BEATS = ("tests/lua/test_beat.py",)

MUTANTS = (
    *(
        Mutant(fault, ASK, old, new, first=_WORDS)
        for fault, old, new in (
            ("a word is kept for nobody", _GONE, "false"),
            ("a worker that is gone is asked", _GONE, "not seen"),
            ("a word is asked for anew", "if answer_before() then", "if false then"),
            ("a word is not kept", "'word ' .. worker, letter .. call", "'word', letter"),
        )
    ),
    Mutant(
        "a worker is not told that it is asked",
        ASK,
        "redis.pcall('PUBLISH', channel, 'beat')\n",
        "",
        first=("tests/redis/worker/test_operators.py",),
    ),
    *(
        Mutant(fault, BEAT, old, new, first=_WORDS)
        for fault, old, new in (
            ("a word is forgotten as it is read", "word ~= '' and word == ARGV[6]", "word ~= ''"),
            ("a word is never forgotten", f"{_DROP}\n  word", "word"),
        )
    ),
    Mutant("a worker leaves its word", LEAVE, f"{_DROP}\n", "", first=_WORDS),
    Mutant("the word of the dead stays", DROP_OLD, "key == workers", "false", first=_WORDS),
    Mutant("the dead stay in the registry", REGISTRY, "< 60000", "< 61000", first=_WORDS),
    Mutant("who stops is a worker", COUNTS, " and state ~= 'stopping'", "", first=_WORDS),
    *(
        Mutant(fault, BEAT, old, new, first=_BEATS)
        for fault, old, new in (
            ("a destroyed queue is made by a beat", _NEW, "false"),
            ("a new queue shows no workers", _NEW, "not schema"),
            ("who stops keeps the lead", "if own and not leads then", "if false then"),
            ("who stops takes the lead", "lead_ms > 0 and (", "("),
        )
    ),
)
