"""Waits for jobs to finish, by messages of the one subscription at the server (mailbox.py).

    look (outcome.lua) ── finished ─────────────────────────────▶ done
          │ not finished: registered in the same script
          ▼
    waiting ── message on the channel ──▶ done, or look again for what was too large for it
          └─── each second: the states of all that wait, in one call ──▶ look again when finished

The message is a hint that may be lost; the look each second is the guarantee.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from typing import TYPE_CHECKING, NamedTuple

from aiojobs_redis.errors import AiojobsError

if TYPE_CHECKING:
    from aiojobs_redis._redis.store import Store

__all__ = ["Outcome", "Waiter"]

_log = logging.getLogger("aiojobs_redis.waiter")

_LOOK_AGAIN = 1.0
_PAGE = 1000
_DIGITS = 10


class Outcome(NamedTuple):
    """How a job ended.

    Attributes:
        state: Letter of the state; empty when there is no such job.
        value: Encoded result of a completed job, errors (JSON lines) of another.
    """

    state: str
    value: bytes

    @property
    def finished(self) -> bool:
        """Whether there is nothing to wait for any more."""
        return self.state in _FINISHED


_FINISHED = frozenset({"c", "d", "x", ""})


class Waiter:
    """Waits for jobs of one queue, on one event loop.

    Args:
        store: The queue.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._channel = f"{store.namespace}:{{{store.queue}}}:finished:{secrets.token_hex(8)}"
        self._waiting: dict[str, list[asyncio.Future[Outcome | None]]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._mailbox = store.server.mailbox()

    async def wait(self, job_id: str) -> Outcome:
        """Return how the job ended, once it has.

        Raises:
            QueueUnavailable: Redis did not answer when first asked.
        """
        while True:
            future: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(job_id, []).append(future)
            try:
                await self._listen()
                outcome = await self.look(job_id, self._channel)
                if not outcome.finished:
                    outcome = await future or await self.look(job_id)
            finally:
                self._forget(job_id, future)
            if outcome.finished:
                return outcome

    async def look(self, job_id: str, channel: str = "") -> Outcome:
        """Return how the job ended, or the state that it is in.

        Args:
            job_id: The job's id.
            channel: Who is to be told when it ends; nobody by default.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        state, value = await self._store.ask("outcome", job_id, channel)
        return Outcome(state.decode(), value)

    def _forget(self, job_id: str, future: asyncio.Future[Outcome | None]) -> None:
        futures = self._waiting[job_id]
        futures.remove(future)
        if not futures:
            del self._waiting[job_id]
        if not self._waiting and self._looking is not None:
            self._looking.cancel()
            self._looking = None
            self._mailbox.close(self._channel)

    async def _listen(self) -> None:
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_again(), name="aiojobs-results-poll")
            self._mailbox = self._store.server.mailbox()
        await self._mailbox.open(self._channel, self._hear)

    def _tell(self, job_id: str, outcome: Outcome | None) -> None:
        for future in self._waiting.get(job_id, ()):
            if not future.done():
                future.set_result(outcome)

    def _hear(self, data: bytes) -> None:
        number, _, rest = data[2:].partition(b":")
        if not number.isdigit() or len(number) > _DIGITS:
            # Somebody else's message; the look each second is the guarantee.
            return
        size = int(number)
        job_id, value = rest[:size].decode(errors="replace"), rest[size:]
        whole = data[1:2] == b"v"
        self._tell(job_id, Outcome(data[:1].decode("latin-1"), value) if whole else None)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_AGAIN * random.uniform(0.9, 1.1))  # noqa: S311 - jitter
            ids = list(self._waiting)
            for at in range(0, len(ids), _PAGE):
                page = ids[at : at + _PAGE]
                try:
                    states = await self._store.ask("states", *page)
                except AiojobsError as error:
                    _log.debug("results cannot be looked at for now: %s", error)
                    break
                for job_id, state in zip(page, states, strict=True):
                    if state.decode() in _FINISHED:
                        self._tell(job_id, None)
