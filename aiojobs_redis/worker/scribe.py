"""Writes down what the running jobs of a lane leave beside their records.

    idle ── a note ──▶ writing ── reply ──▶ pausing ── a tenth of a second ──▶ writing, or idle
                          │  ▲                  └── somebody waits for it ──────▶ writing
                          ▼  │ the same call again
                        failing

Whatever the jobs have to say while a call is on its way, or in the pause after it, goes with the
next one, for all of them: ten calls a second at most, however often and however many of them speak.
What a task waits for, a step, a saved state or the last words of an attempt, waits for no pause.

Races that it closes:
- A reply that was lost: the same notes are sent again, with the numbers that they had, and Redis
  takes each once. Later ones wait for them, so a late first copy of a call finds a newer number.
- A lease that was lost: Redis takes nothing, the run is told, and whoever waits gets `LeaseLost`.
- An attempt that ends: its completion waits for its last words, since its token goes with it.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from aiojobs_redis.errors import AiojobsError, LeaseLost
from aiojobs_redis.guarded_log import GuardedLog

if TYPE_CHECKING:
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.notes import Notes

__all__ = ["Note", "Scribe"]

_log = GuardedLog("aiojobs_redis.worker")

_PAUSE = 0.1
_BATCH = 100
_BATCH_BYTES = 256 * 1024
_AGAIN = 0.25


class Note(NamedTuple):
    """One note on its way.

    Attributes:
        notes: Those of its run.
        kind: As extras.lua names them.
        number: One higher a note of this lease.
        body: What it says.
    """

    notes: Notes
    kind: str
    number: int
    body: bytes


class Scribe:
    """Writes for one lane.

    Args:
        lane: The lane.

    Attributes:
        loop: The loop that it writes on.
        thread: Identity of the thread of that loop.
    """

    def __init__(self, lane: Lane) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.thread: int = threading.get_ident()
        self._lane = lane
        self._dirty: dict[Notes, None] = {}
        self._waiters: dict[Notes, list[asyncio.Future[None]]] = {}
        self._flying: list[Notes] = []
        self._writing: asyncio.Task[None] | None = None
        self._urgent = asyncio.Event()
        self._last = 0.0

    def add(self, notes: Notes) -> bool:
        """Write soon what is new; whether that is at once, no call being on its way."""
        self._dirty[notes] = None
        if self._writing is not None:
            return False
        self._writing = self.loop.create_task(self._write_all(), name="aiojobs-notes")
        return self.loop.time() >= self._last + _PAUSE

    async def flush(self, notes: Notes) -> None:
        """Write all that is new now, and return once Redis has it.

        Raises:
            LeaseLost: The lease is somebody else's by now.
        """
        written: asyncio.Future[None] = self.loop.create_future()
        self._waiters.setdefault(notes, []).append(written)
        self.add(notes)
        self._urgent.set()
        await written

    def busy(self, notes: Notes) -> bool:
        """Whether something of these notes is on its way, or about to be."""
        return notes in self._dirty or notes in self._flying

    def stop(self) -> None:
        """Write no more: the runs have ended."""
        if self._writing is not None:
            self._writing.cancel()

    async def _write_all(self) -> None:
        try:
            while self._dirty:
                await self._pause(self._last + _PAUSE - self.loop.time())
                self._flying, batch = self._take()
                # Before the call: what is said from now on is news again, and so are its waiters.
                waiters = {notes: self._waiters.pop(notes, ()) for notes in self._flying}
                lost = await self._send(batch)
                self._flying = []
                self._last = self.loop.time()
                for notes, futures in waiters.items():
                    for written in futures:
                        _answer(written, notes, lost=notes in lost)
        finally:
            self._writing = None
            for futures in self._waiters.values():
                for written in futures:
                    written.cancel()
            self._waiters.clear()

    async def _pause(self, seconds: float) -> None:
        if self._waiters or seconds <= 0:
            # A turn of the loop, in which others may join.
            await asyncio.sleep(0)
        else:
            try:
                async with asyncio.timeout(seconds):
                    await self._urgent.wait()
            except TimeoutError:
                pass
        self._urgent.clear()

    def _take(self) -> tuple[list[Notes], list[Note]]:
        taken: list[Notes] = []
        batch: list[Note] = []
        size = 0
        while self._dirty and len(batch) < _BATCH and size < _BATCH_BYTES:
            notes = next(iter(self._dirty))
            del self._dirty[notes]
            taken.append(notes)
            for note in notes.take():
                batch.append(note)
                size += len(note.body)
        return taken, batch

    async def _send(self, batch: list[Note]) -> set[Notes]:
        """Send until it is answered, or until nobody cares any more; return the lost ones."""
        failing = False
        lost = set[Any]()
        while batch:
            words: list[str | int | bytes] = []
            for note in batch:
                run = note.notes.run
                words += (run.key, run.token, note.kind, note.number, note.body)
            try:
                done, found = await self._lane.store.ask("jot", *words)
            except AiojobsError as error:
                if not failing:
                    _log.warning("what running jobs report cannot be written for now: %s", error)
                failing = True
                await asyncio.sleep(_AGAIN)
                batch = [note for note in batch if not note.notes.run.done]
                continue
            for note in batch[:done]:
                if note.notes.run.key in found:
                    lost.add(note.notes)
                    self._lane.lost(note.notes.run)
            batch = batch[done:]
        return lost


def _answer(written: asyncio.Future[None], notes: Notes, *, lost: bool) -> None:
    if written.done():
        return
    if lost:
        written.set_exception(LeaseLost(lost_text(notes.run.id)))
    else:
        written.set_result(None)


def lost_text(job: str) -> str:
    """Return what to tell a task whose lease is lost."""
    return f"the lease of job {job} is lost: it was claimed again or removed. Nothing was written."
