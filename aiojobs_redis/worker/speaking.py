"""What a job in a process of its own says of its progress and emits, on the way to its worker.

A function may report thousands of times a second, and each frame costs the worker's event loop
some time. So what is said is gathered for a twentieth of a second, in a thread that sends it, and
what is left then goes before the end of the attempt.

What comes later, of a thread that the function has left behind, is not sent: the worker would take
it for that of the next attempt. So who sends holds a lock and looks whether the attempt is over.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from aiojobs_redis.emitted import encode_emitted
from aiojobs_redis.errors import LeaseLost
from aiojobs_redis.extras import MOST_LINES, encode_log_line, encode_progress
from aiojobs_redis.worker.forks import copies
from aiojobs_redis.worker.messages import Said
from aiojobs_redis.worker.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

__all__ = ["NOTED", "OVER", "Speaking"]

OVER = "the attempt of this job has ended. Nothing was written."

_GATHER = 0.05


class Speaking(ABC):
    """What one attempt in a process says.

    Args:
        job: Id of its job.
        attempt: Number of the attempt.
        send: Sends a message to the worker; called from a thread.
    """

    def __init__(self, job: str, attempt: int, send: Callable[[Said], None]) -> None:
        self._attempt = attempt
        self._say = send
        self._progress: deque[bytes] = deque(maxlen=1)
        self._lines: deque[bytes] = deque(maxlen=MOST_LINES)
        self._outbox = Outbox(job, self._holds)
        self._something = threading.Event()
        self._speaking = threading.Lock()
        self._over = False
        self._copies = copies()
        self._thread: threading.Thread | None = None

    def progress(self, done: float, total: float | None, note: object) -> Awaitable[None]:
        """Note how far the task is."""
        self.check()
        now = time.time_ns() // 1_000_000
        self._progress.append(encode_progress(now, self._attempt, done, total, note))
        return self._noted()

    def log(self, text: str) -> Awaitable[None]:
        """Note an entry of the log."""
        self.check()
        self._lines.append(encode_log_line(time.time_ns() // 1_000_000, self._attempt, text))
        return self._noted()

    def emit(self, name: str, data: object) -> Awaitable[None]:
        """Note an event."""
        self.check()
        self._outbox.add(encode_emitted(name, data))
        noted = self._noted()
        return self._outbox.wait() if self._outbox.crowded else noted

    def end(self) -> None:
        """Send what is left; what is said later is refused."""
        with self._speaking:
            self._over = True
            self._send_all()
            self._send_emitted(last=True)
        self._something.set()

    def check(self) -> None:
        """Refuse what comes after the attempt, or from a copy of its process.

        Raises:
            LeaseLost: It has ended, or this process was forked by its task.
        """
        if self._over:
            raise LeaseLost(OVER)
        if copies() != self._copies:
            raise LeaseLost("a process that a task has forked has no lease. Nothing was written.")

    @abstractmethod
    def _send_emitted(self, *, last: bool = False) -> None:
        """Send events, while the worker has room for them; the last ones in any case."""

    def _holds(self) -> bool:
        self.check()
        return True

    def _noted(self) -> Awaitable[None]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="aiojobs-said", daemon=True)
            self._thread.start()
        self._something.set()
        return NOTED

    def _run(self) -> None:
        while not self._over:
            self._something.wait()
            time.sleep(_GATHER)
            self._something.clear()
            with self._speaking:
                if not self._over:
                    self._send_all()
                    self._send_emitted()

    def _send_all(self) -> None:
        progress = self._progress.popleft() if self._progress else None
        lines: list[bytes] = []
        while self._lines:
            lines.append(self._lines.popleft())
        if progress is not None or lines:
            self._say(Said(progress, lines))


class _Noted:
    def __await__(self) -> Generator[None, None, None]:
        yield from ()


NOTED = _Noted()
"""What there is to await of a note that is taken already: nothing."""
