"""What one attempt leaves beside the record of its job, until the scribe of its lane takes it.

    said by the task, in its loop or in its thread ──▶ here ── scribe ──▶ Redis
                                                        ▲
    left by an attempt before: state, steps ── load ────┘

Progress, log lines and events are noted and written soon; of progress only the last is written. A
step and a saved state are written before the task goes on, and the state also when the attempt ends
without completing the job. What a task says from a thread is put into queues whose ends two threads
may use, and the loop is told of it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from aiojobs_redis.emitted import encode_emitted
from aiojobs_redis.errors import ConfigInvalid, LeaseLost, PayloadRejected
from aiojobs_redis.extras import (
    LARGEST_LOG,
    MOST_LINES,
    decode_state,
    encode_log_line,
    encode_progress,
    encode_state,
)
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.payload_codec import netstring
from aiojobs_redis.printing import log_error
from aiojobs_redis.signature import reason
from aiojobs_redis.worker.calls import Calls
from aiojobs_redis.worker.ledger import Ledger
from aiojobs_redis.worker.once import OnceCalls, OnceDesk
from aiojobs_redis.worker.outbox import Outbox
from aiojobs_redis.worker.scribe import Note, lost_text
from aiojobs_redis.worker.speaking import NOTED
from aiojobs_redis.worker.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence

    from aiojobs_redis.sealing import Kind
    from aiojobs_redis.worker.completion import Completion
    from aiojobs_redis.worker.run import Run

__all__ = ["Notes"]

_log = GuardedLog("aiojobs_redis.worker")

_AGAIN = 1.0
_LONGEST_WAIT = 0.5
_TURN = 0.005
_EMPTY = b"\x80"


class Notes(Calls):
    """What a run leaves.

    Args:
        run: The run.

    Attributes:
        state: What survives the attempt; the task changes it in place.
        desk: Where its idempotent calls are taken and handed in.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.state: dict[str, Any] = {}
        self._scribe = run.lane.scribe
        self._sealing = run.lane.store.sealing
        self.desk: OnceDesk = OnceDesk(self)
        self._ledger = Ledger(run, self.seal)
        self._steps = Steps(run.id, self.keep_step)
        self._once = OnceCalls(run.id, self.desk)
        self._saved, self._new_state = _EMPTY, b""
        self._progress: deque[bytes] = deque(maxlen=1)
        self._lines: deque[bytes] = deque(maxlen=MOST_LINES)
        self._emitted: Outbox | None = None
        self._making = threading.Lock()
        self._number = 0
        self._told = False
        self._turned = 0.0

    # What the task says

    def progress(self, done: float, total: float | None, note: object) -> Awaitable[None]:
        """Note how far the task is."""
        if self._unheard:
            return NOTED
        self.check()
        self._progress.append(encode_progress(_now(), self._attempt, done, total, note))
        return self._noted()

    def log(self, text: str) -> Awaitable[None]:
        """Note an entry of the log."""
        if self._unheard:
            return NOTED
        self.check()
        self._lines.append(encode_log_line(_now(), self._attempt, text))
        return self._noted()

    def emit(self, name: str, data: object) -> Awaitable[None]:
        """Note an event."""
        if self._unheard:
            return NOTED
        self.check()
        outbox = self._outbox
        outbox.add(encode_emitted(name, data))
        noted = self._noted()
        return outbox.wait() if outbox.crowded else noted

    def hear_emitted(self, bodies: Sequence[bytes]) -> Awaitable[None]:
        """Take the events of a process, encoded there; to be awaited before it sends more."""
        run = self.run
        if not (run.closing or run.done or run.revoked_now):
            self._outbox.add_all(bodies)
            self._scribe.add(self)
        return self._outbox.wait()

    def hear(self, progress: bytes | None, lines: Sequence[bytes]) -> None:
        """Take what the job said in a process of its own, encoded there."""
        run = self.run
        if run.closing or run.done or run.revoked_now:
            return
        if progress is not None:
            self._progress.append(progress)
        self._lines.extend(lines)
        self._scribe.add(self)

    async def save(self) -> None:
        """Write the state now."""
        self.check()
        self.check_loop()
        self._put_state()
        if self._new_state or self._scribe.busy(self):
            await self._scribe.flush(self)

    async def keep_step(self, name: str, body: bytes) -> None:
        """Record what a step returned, encoded, and return once it is stored."""
        self._ledger.add(name, body)
        self.check()
        await self._scribe.flush(self)

    def check(self) -> None:
        """Refuse what comes after the lease is lost, or after the attempt."""
        run = self.run
        if run.revoked_now:
            raise LeaseLost(lost_text(run.id))
        if run.closing or run.done:
            raise LeaseLost(f"the attempt of job {run.id} has ended. Nothing was written.")

    def check_loop(self) -> None:
        """Refuse what is awaited on another event loop, as that of `asyncio.run` in a thread."""
        if threading.get_ident() != self._scribe.thread:
            raise ConfigInvalid(
                f"job {self.run.id}: step(), once() and save() belong to the event loop of the "
                "worker. In a thread, say anyio.from_thread.run(current_job().step, name, function)"
                " and the like. Nothing ran."
            )

    # Before and after the attempt

    async def load(self) -> None:
        """Read what attempts before have left.

        Raises:
            PayloadRejected: It is damaged, or the queue's codec did not seal it for this job.
        """
        while True:
            try:
                _, state, steps = await self.run.lane.store.ask("recall", self.run.key, "s", "c")
                self._steps.results = self._ledger.load(steps, self.open)
                self._saved = self.open("state", self.run.key, state) if state else _EMPTY
                break
            except PayloadRejected:
                raise
            except Exception as error:
                # Redis is away, or the codec asks a service that is. The run ends with its lease.
                _log.warning("job %s: its state cannot be read yet: %s", self.run.id, error)
                await asyncio.sleep(_AGAIN)
        try:
            self.state = decode_state(self._saved)
        except Exception as error:
            raise PayloadRejected(
                f"the stored state of job {self.run.id} does not decode: {reason(error)}. "
                "It was damaged, or written by something else; enqueue the job again."
            ) from error

    def found(self) -> tuple[bytes, dict[str, bytes]]:
        """Return what the attempt begins with, encoded: its state, and results of steps.

        The state, empty for none, is what `load` has found and what middleware has made of it.

        Raises:
            ArgumentsInvalid: What middleware put there has no MessagePack form.
            PayloadTooLarge: It is more than 1 MiB.
        """
        state = encode_state(self.state)
        return b"" if state == _EMPTY else state, self._steps.results

    async def close(self, completion: Completion) -> Completion | None:
        """Write the last words of an attempt, before its end is reported.

        Returns:
            Its end, or None where its lease turned out to be lost.
        """
        run = self.run
        run.close()
        run.ending = completion
        try:
            if completion.code != "c":
                self._put_state()
        except Exception as error:
            text = "job %s: its state cannot be saved, the one before stays"
            log_error(_log, error, text, run.id)
        # What was said in a thread may not be known to the scribe yet.
        left = self._new_state or self._progress or self._lines or self._emitted
        if left or self._scribe.busy(self):
            try:
                await self._scribe.flush(self)
            except LeaseLost:
                return None
        # It leads back to the run, which would be a cycle for the garbage collector.
        run.ending = None
        return completion

    def take(self) -> Iterator[Note]:
        """Yield what is new since the last time."""
        self._told = False
        if self._progress:
            body = self._progress.popleft()
            yield from self._note("p", lambda: self.seal("progress", self.run.key, body))
        lines: list[bytes] = []
        while self._lines:
            lines.append(self._lines.popleft())
        while sum(map(len, lines)) > LARGEST_LOG:
            del lines[: len(lines) // 16 + 1]
        if lines:
            yield from self._note("l", lambda: self._sealed_list("log", lines))
        if self._emitted:
            bodies = self._emitted.take()
            yield from self._note("e", lambda: self._sealed_list("event", bodies))
        if self._new_state:
            state, self._new_state = self._new_state, b""
            yield from self._note("s", lambda: state)
        steps = self._ledger.take()
        if steps:
            yield from self._note("c", lambda: steps)

    # Details

    @property
    def _outbox(self) -> Outbox:
        # Most jobs emit nothing; of one that does, two threads may come here at once.
        with self._making:
            if self._emitted is None:
                self._emitted = Outbox(self.run.id, self._holds)
            return self._emitted

    def _holds(self) -> bool:
        if self._unheard:
            return False
        self.check()
        return True

    @property
    def _is_shared(self) -> bool:
        task = self.run.task
        return task is not None and task.batching is not None

    @property
    def _unheard(self) -> bool:
        # The call goes on for the other jobs of the batch, which are not to fail by this one.
        run = self.run
        return self._is_shared and (run.revoked_now or run.closing or run.done)

    @property
    def _attempt(self) -> int:
        return self.run.claim.failures + 1

    def seal(self, kind: Kind, id: bytes, data: bytes) -> bytes:
        """Return a value as it is to be stored."""
        return data if self._sealing is None else self._sealing.seal(kind, id, data)

    def open(self, kind: Kind, id: bytes, data: bytes) -> bytes:
        """Return a value that was stored."""
        return data if self._sealing is None else self._sealing.open(kind, id, data)

    def _sealed_list(self, kind: Kind, bodies: Sequence[bytes]) -> bytes:
        key = self.run.key
        return netstring(*[self.seal(kind, key, body) for body in bodies])

    def _note(self, kind: str, make: Callable[[], bytes]) -> Iterator[Note]:
        self._number += 1
        try:
            yield Note(self, kind, self._number, make())
        except Exception as error:
            # Of users: the codec asks a service that is away. The job goes on without.
            text = "job %s: what it reports cannot be sealed and is dropped"
            log_error(_log, error, text, self.run.id)

    def _put_state(self) -> None:
        data = encode_state(self.state)
        if data != self._saved:
            self._new_state, self._saved = self.seal("state", self.run.key, data), data

    def _noted(self) -> Awaitable[None]:
        scribe = self._scribe
        if threading.get_ident() == scribe.thread:
            return _Noted(self, at_once=scribe.add(self))
        if not self._told:
            self._told = True
            try:
                scribe.loop.call_soon_threadsafe(scribe.add, self)
            except RuntimeError:
                raise LeaseLost(lost_text(self.run.id)) from None
        return NOTED

    def turn(self, *, at_once: bool) -> Generator[Any, Any, None]:
        """Let the loop turn: until what opened a call is written, else now and then."""
        if at_once:
            written = self._scribe.loop.create_task(self._scribe.flush(self))
            # Who waits for it here may be interrupted.
            written.add_done_callback(_forget)
            yield from asyncio.wait({written}, timeout=_LONGEST_WAIT).__await__()
            if written.done():
                try:
                    written.result()
                except LeaseLost:
                    if not self._is_shared:
                        raise
        elif time.monotonic() > self._turned + _TURN:
            self._turned = time.monotonic()
            yield


class _Noted:
    """What `progress` and `log` return: the note is taken already, and to await it is a courtesy.

    A task that reports in a loop would otherwise never let the event loop turn.
    """

    __slots__ = ("_at_once", "_notes")

    def __init__(self, notes: Notes, *, at_once: bool) -> None:
        self._notes = notes
        self._at_once = at_once

    def __await__(self) -> Generator[Any, Any, None]:
        return self._notes.turn(at_once=self._at_once)


def _forget(written: asyncio.Task[None]) -> None:
    if not written.cancelled():
        written.exception()


def _now() -> int:
    return time.time_ns() // 1_000_000
