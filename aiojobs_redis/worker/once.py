"""Idempotent calls across jobs: the first makes it, the others get its result or wait for it.

    ask ── done by somebody ───────────────────▶ its result
     │  ▲
     │  └── a pause ◀── another running job makes it
     ▼
    ours ── the call returns ──▶ recorded, for as long as it is kept
         └─ it raises, is left ▶ free: the next one that asks makes it

Races that it closes:
- The owner dies: whether it still runs under the token with which it took the call is looked at by
  whoever asks, so the call is free as soon as the lease is taken away; nobody has to notice.
- The owner is late: what it wants to record is refused with its token.
- An answer that is lost: the owner that asks again owns it still.
- A job leaves the call, or the wait for it, and goes on: it is freed, as what was asked may have
  made it ours. Where the call has returned, it is recorded all the same. The same job does not ask
  again before that has arrived.
- Two calls of one key in one job: the second waits here for the first, since Redis tells jobs apart
  and not what happens in one. One inside the other would wait for ever, and is refused.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from aiojobs_redis.errors import (
    AiojobsError,
    ConfigInvalid,
    LeaseLost,
    PayloadTooLarge,
    QueueUnavailable,
)
from aiojobs_redis.extras import LARGEST
from aiojobs_redis.signature import result_of
from aiojobs_redis.worker.returned import decode_returned, encode_returned
from aiojobs_redis.worker.scribe import lost_text

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from aiojobs_redis.once import Once
    from aiojobs_redis.signature import Parameter
    from aiojobs_redis.worker.notes import Notes

__all__ = ["OnceCalls", "OnceDesk"]

_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.25

_around: ContextVar[frozenset[str]] = ContextVar("aiojobs_redis_once", default=frozenset())


class Desk(Protocol):
    """Where calls are taken and handed in."""

    @property
    def stopping(self) -> bool:
        """Whether the attempt is to end, which frees its calls."""
        ...

    async def take(self, key: str) -> bytes | None:
        """Wait until a call is ours, or done; return what was recorded then."""
        ...

    async def keep(self, key: str, ms: int, data: bytes) -> None:
        """Record for so long what a call of ours returned; where that fails, it is free again."""
        ...

    async def free(self, key: str) -> None:
        """Let another job make a call of ours."""
        ...


class OnceCalls:
    """The idempotent calls of one attempt, wherever it runs.

    Args:
        job: Id of its job.
        desk: What knows its lease.
    """

    def __init__(self, job: str, desk: Desk) -> None:
        self._job = job
        self._desk = desk
        self._mine: dict[str, asyncio.Lock] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}

    async def call(
        self,
        once: Once,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Make a call that nobody has made, or return what it returned.

        Raises:
            ConfigInvalid: It is made inside itself, or what its function says that it returns is
                no type; it was not made.
            ArgumentsInvalid: What it returned cannot be recorded, or was recorded as another type.
            PayloadTooLarge: What it returned takes more than 1 MiB.
            PayloadRejected: The queue's codec did not seal what was recorded.
            LeaseLost: The lease is somebody else's by now; nothing was recorded.
        """
        key = once.key
        if key in _around.get():
            raise ConfigInvalid(
                f"once({key!r:.80}) is called inside itself in job {self._job}, and would wait "
                "for itself: give the inner call a key of its own"
            )
        # One whose result could not be recorded would be made by each job.
        returns = result_of(function, name=f"once({key!r})")
        async with self._mine.setdefault(key, asyncio.Lock()):
            if key in self._ending:
                await asyncio.wait({self._ending[key]})
            try:
                made = await self._desk.take(key)
            except asyncio.CancelledError:
                await self._leave(key)
                raise
            if made is not None:
                return decode_returned(f"once({key!r})", returns, made)
            return await self._make(once, returns, function, args, kwargs)

    async def _make(
        self,
        once: Once,
        returns: Parameter,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        key = once.key
        token = _around.set(_around.get() | {key})
        try:
            value = function(*args, **kwargs)
            if inspect.isawaitable(value):
                value = await value
            data = encode_returned(f"once({key!r})", returns, value)
        except asyncio.CancelledError:
            await self._leave(key)
            raise
        except Exception:
            await self._end(key, self._desk.free(key))
            raise
        finally:
            _around.reset(token)
        await self._end(key, self._desk.keep(key, once.keep_ms, data))
        return value

    async def _leave(self, key: str) -> None:
        # The end of an attempt frees its calls; one that only leaves this call may go on for long.
        if not self._desk.stopping:
            await self._end(key, self._desk.free(key))

    async def _end(self, key: str, end: Coroutine[Any, Any, None]) -> None:
        ending = self._ending[key] = asyncio.create_task(end, name="aiojobs-once-end")

        def ended(_: asyncio.Task[None]) -> None:
            del self._ending[key]
            if not ending.cancelled():
                # Who waited for it may have left.
                ending.exception()

        ending.add_done_callback(ended)
        # What is cancelled here may be on its way: it is let go on.
        await asyncio.shield(ending)


class OnceDesk:
    """Takes and hands in the calls of one run, in Redis.

    Args:
        notes: What the run leaves, which knows its lease and its codec.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._run = notes.run

    @property
    def stopping(self) -> bool:
        """Whether the attempt is to end."""
        return self._run.stopping

    async def take(self, key: str) -> bytes | None:
        """Wait until a call is ours, or done; return what was recorded then."""
        pause = _FIRST_PAUSE
        while True:
            status, *made = await self._ask("take_once", key)
            if status == b"OWN":
                return None
            if status == b"DONE":
                return self._notes.open("once", key.encode(), made[0])
            if status == b"LOST":
                self._lose()
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def keep(self, key: str, ms: int, data: bytes) -> None:
        """Record for so long what a call of ours returned; where that fails, it is free again."""
        try:
            body = self._notes.seal("once", key.encode(), data)
            if len(body) > LARGEST:
                raise PayloadTooLarge(
                    f"once({key!r:.80}) has run, but its result of {len(body)} bytes is not kept, "
                    f"the limit is {LARGEST}: store it elsewhere and return a reference"
                )
        except Exception:
            await self.free(key)
            raise
        if not await self._ask("end_once", key, ms, body):
            self._lose()

    async def free(self, key: str) -> None:
        """Let another job make a call of ours."""
        try:
            await self._run.lane.store.ask("end_once", key, self._run.key, self._run.token, "", "")
        except AiojobsError:
            # It is free with the end of the attempt.
            return

    async def _ask(self, script: str, key: str, *args: Any) -> Any:
        while True:
            self._notes.check()
            try:
                return await self._run.lane.store.ask(
                    script, key, self._run.key, self._run.token, *args
                )
            except QueueUnavailable:
                # The lease says how long there is any use in waiting for Redis.
                continue

    def _lose(self) -> None:
        self._run.lane.lost(self._run)
        raise LeaseLost(lost_text(self._run.id))
