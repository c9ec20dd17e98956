"""Faults in what finds and ends jobs that wait for each other over several queues."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

WAITS, BREAK, AWAITS = "lua/waits.lua", "lua/break_wait.lua", "lua/include/awaits.lua"
CIRCLES, HANDOVER = "circles.py", "../worker/handover.py"
LUA = ("tests/lua/test_waits.py",)
RUN = ("tests/redis/worker/test_flow_circles_across.py",)
MUTANTS = (
    Mutant(
        "who waits for its flow to be written may be on a circle",
        WAITS,
        "      if is_gate(parent) then\n",
        "      if false then\n",
        first=LUA,
    ),
    Mutant(
        "a look at who waits for whom has no end",
        WAITS,
        "(looks < 1000 or #rows == 0)",
        "true",
        model=False,
        first=LUA,
    ),
    Mutant(
        "who is about to be told of an end waits for it",
        AWAITS,
        "    return redis.call('ZSCORE', edges, '?' .. parent)\n",
        "    return true\n",
        first=LUA,
    ),
    Mutant(
        "one that is gone is waited for",
        AWAITS,
        "or not run and redis.call('HEXISTS', jobs, parent) == 1",
        "or not run",
        first=LUA,
    ),
    Mutant(
        "the wait of another job is broken that has the id by now",
        BREAK,
        "incarnation_of(id) ~= incarnation or ",
        "",
        first=LUA,
    ),
    Mutant(
        "a queue is not told of what ends since a wait was broken",
        "lua/include/pass_on.lua",
        "release_children(100)\n",
        "",
        first=LUA,
    ),
    Mutant(
        "a circle is ended that was read only once",
        CIRCLES,
        "if all(again.get(wait.child) == wait for wait in circle):",
        "if again:",
        first=RUN,
    ),
    Mutant(
        "one that means the job that is there is told that it is gone",
        CIRCLES,
        "wrong = max(",
        "wrong = min(",
        first=RUN,
    ),
    Mutant(
        "circles are looked for among those that have just begun to wait",
        CIRCLES,
        "int(waited) >= _PATIENCE_MS",
        "int(waited) >= 0",
        first=RUN,
    ),
    Mutant(
        "circles are looked for all the time",
        CIRCLES,
        "self._next = now + _EVERY",
        "self._next = now",
        first=RUN,
    ),
    Mutant(
        "a walk that is not through begins anew",
        CIRCLES,
        "        if not self._heads and self._after is None:\n            self._begin()\n",
        "        self._begin()\n",
        first=RUN,
    ),
    Mutant(
        "one queue that cannot be asked keeps circles of others",
        CIRCLES,
        "failed, looks, waits = error, len(page), dict.fromkeys(page)",
        "raise error",
        first=RUN,
    ),
    Mutant(
        "no worker looks for circles",
        HANDOVER,
        "                await self._circles.look(store, now, found)\n",
        "",
        first=RUN,
    ),
)
