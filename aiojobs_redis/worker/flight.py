"""One exchange on its way to Redis and back.

    sent ── reply ──▶ answered
     │  ▲
     ▼  │ the same operation again, after a back-off
    failing

Two may be on their way at once, each on a connection of its own, so Redis has the next one when it
is done with the first. The order is kept by the server: an exchange names the one that it follows
until that is answered, and writes nothing (it is early) where that one has not arrived.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Any

from aiojobs_redis._redis.eager import EAGER
from aiojobs_redis.worker import clock

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from aiojobs_redis.worker.completion import Completion

__all__ = ["Flight", "words_of"]


class Flight:
    """An exchange that is not answered yet.

    Args:
        number: Its counter.
        limit: Jobs that it asks for.
        may_suspect: Whether one of them may have lost two leases.
        batch: The completions that it carries.
        parked: Names of parked tasks to adopt.
        older: The one that was sent before and was not answered then.

    Attributes:
        nonce: Second half of the tokens of its claims.
        sent: Boot-time second at which the first copy was sent: from there its leases count.
        reserved: Slots that are kept for its claims.
        failing: Whether it was sent in vain and is to be sent again.
        answered: Set once its reply was read.
        settled: Set once it is answered or failing.
    """

    __slots__ = (
        "_counts",
        "_task",
        "_words",
        "answered",
        "batch",
        "failing",
        "limit",
        "may_suspect",
        "nonce",
        "number",
        "older",
        "reserved",
        "sent",
        "settled",
    )

    def __init__(
        self,
        number: int,
        *,
        limit: int,
        may_suspect: bool,
        batch: Sequence[Completion],
        parked: Sequence[str],
        older: Flight | None,
    ) -> None:
        self.number: int = number
        self.limit: int = limit
        self.reserved: int = limit
        self.may_suspect: bool = may_suspect
        self.batch: Sequence[Completion] = batch
        self.older: Flight | None = older
        self.nonce: str = secrets.token_hex(16)
        self.sent: float = clock.now()
        self.failing: bool = False
        self.answered: asyncio.Event = asyncio.Event()
        self.settled: asyncio.Event = asyncio.Event()
        # Once for all copies: the time that an attempt took does not grow by an outage.
        tasks, words = words_of(batch)
        self._counts = (len(batch), len(tasks))
        self._words = [*tasks, *words, *parked]
        self._task: asyncio.Task[None] | None = None

    def start(self, flying: Coroutine[Any, Any, None]) -> None:
        """Fly, in an asyncio task of its own."""
        self._task = asyncio.Task(flying, loop=asyncio.get_running_loop(), **EAGER)

    def cancel(self) -> None:
        """Break it off, which is only done where its connection goes too."""
        if self._task is not None:
            self._task.cancel()

    def follows(self) -> int:
        """Return the counter of the one that has to be applied before it, 0 for none."""
        older = self.older
        return older.number if older is not None and not older.answered.is_set() else 0

    def arguments(self, incarnation: str, worker: str) -> list[Any]:
        """Return what exchange.lua takes; a copy that is sent again differs in `follows` only."""
        head = (incarnation, self.number, self.nonce, worker, self.limit, int(self.may_suspect))
        return [*head, self.follows(), *self._counts, *self._words]


def words_of(batch: Sequence[Completion]) -> tuple[Sequence[str], list[str | bytes]]:
    """Return the names of the tasks of some completions, and their words, five each."""
    tasks: dict[str, str] = {}
    words: list[str | bytes] = []
    now = time.monotonic()
    for completion in batch:
        run, argument = completion.run, completion.argument
        name = run.task.name if run.task is not None else "?"
        number = tasks.get(name) or tasks.setdefault(name, str(len(tasks) + 1))
        what = number
        if completion.code != "c" or argument:
            what = f"{completion.code} {argument} {number}"
        spent = str(int((now - run.started) * 1000)) if run.started else "0"
        words += (run.key, run.token, what, spent, completion.body)
    return tuple(tasks), words
