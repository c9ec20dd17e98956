"""Events that a task has emitted and that wait to be written: up to a bound, then the task waits.

    emit ──▶ here ── scribe, or the line to the worker ──▶ Redis
               └── crowded: whoever emits waits until they are taken

What emits may be a coroutine on any event loop, or a thread. One that waits for nothing, as a plain
function on the loop that would take them, fills it up to twice the bound and is refused then.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from aiojobs_redis.emitted import MOST_BYTES, MOST_EVENTS
from aiojobs_redis.errors import QueueFull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence

__all__ = ["Outbox"]

_LOOK = 0.01
_LOOK_IN_THREAD = 0.1


class Outbox:
    """What one attempt has emitted and nobody has taken yet.

    Args:
        job: Id of its job.
        holds: Whether the attempt goes on; it raises where it has to be told that it does not.
    """

    def __init__(self, job: str, holds: Callable[[], bool]) -> None:
        self._job = job
        self._holds = holds
        self._bodies: list[bytes] = []
        self._size = 0
        self._taken = threading.Condition()

    def __bool__(self) -> bool:
        return bool(self._bodies)

    @property
    def crowded(self) -> bool:
        """Whether the task is to wait."""
        return len(self._bodies) >= MOST_EVENTS or self._size >= MOST_BYTES

    def add(self, body: bytes) -> None:
        """Add one.

        Raises:
            QueueFull: Twice the bound is reached.
        """
        with self._taken:
            if len(self._bodies) >= 2 * MOST_EVENTS or self._size >= 2 * MOST_BYTES:
                raise QueueFull(
                    f"{len(self._bodies)} events of job {self._job}, {self._size} bytes, wait to "
                    f"be written; the limit is {2 * MOST_EVENTS} or {2 * MOST_BYTES} bytes. Say "
                    "`await current_job().emit(...)`, so that they can be. This one was not taken."
                )
            self._add([body])

    def add_all(self, bodies: Sequence[bytes]) -> None:
        """Add those of a process that has waited for room itself."""
        with self._taken:
            self._add(bodies)

    def take(self) -> list[bytes]:
        """Take all out, in their order."""
        with self._taken:
            bodies, self._bodies, self._size = self._bodies, [], 0
            self._taken.notify_all()
        return bodies

    def wait(self) -> Awaitable[None]:
        """Wait here in a thread, or return what a coroutine is to await, until there is room.

        That is over, too, where the attempt does not hold any more.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            with self._taken:
                while self.crowded and self._holds():
                    self._taken.wait(_LOOK_IN_THREAD)
        return _Room(self)

    def poll(self) -> Generator[Any, Any, None]:
        """Let the loop turn until there is room."""
        while self.crowded and self._holds():
            yield from asyncio.sleep(_LOOK).__await__()

    def _add(self, bodies: Sequence[bytes]) -> None:
        self._bodies += bodies
        self._size += sum(map(len, bodies))


class _Room:
    """What there is to await of an event that was taken, while there is no room for more."""

    __slots__ = ("_outbox",)

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def __await__(self) -> Generator[Any, Any, None]:
        return self._outbox.poll()
