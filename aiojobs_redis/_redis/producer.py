"""Merges the concurrent enqueues of one queue on one event loop into one script call.

A call waits for nothing but a batch that is in flight already, and, where callers came together
the last time, for those of the same turn of the loop. Many callers that come again and again go in
two halves: Redis adds the one while this process wakes and encodes the other.

A caller cancelled before its batch is sent adds nothing; one that was sent stands. An error reaches
every caller of that batch and none of the next. A batch is resent with the same number until it is
answered, so that a lost reply doubles nothing.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections import deque
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from aiojobs_redis._redis.answer import ADDED, TAKEN, read_answer
from aiojobs_redis._redis.confirmation import Confirmation, Unconfirmed
from aiojobs_redis.errors import AiojobsError, ConfigInvalid, JobNotFound, QueueFull

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.durability import Durability
    from aiojobs_redis.rate import Rate

__all__ = ["BATCH", "BATCH_BYTES", "BATCH_PARENTS", "IN_LINE", "NewJob", "Producer", "batches"]

IN_LINE = ",b1"
"""Option of a job that counts among those of its key that have not started (line.lua)."""

# What one script call may take without keeping Redis from others for long.
BATCH = 250
_WORTH_HALVING = 32
# From here on a spec is told to Redis as a large one, and checks of ids do not read it.
_LARGE = 16_000
BATCH_BYTES = 4 * 1024 * 1024
BATCH_PARENTS = 1000
# What a batch needs of the script beside the usual: jobs that wait for their time, unique keys.
_TIME, _UNIQUE = 1, 2
_NONE: Mapping[str, int] = MappingProxyType({})
_options, _spec = attrgetter("options"), attrgetter("spec")


class NewJob(msgspec.Struct, frozen=True, gc=False):
    """A job to be added.

    Attributes:
        id: Its id.
        task: Name of its task, for the statistics.
        options: Letters of the header, each after a comma.
        spec: What Lua does not look into.
        parents: Ids of the jobs on which it depends.
    """

    id: str
    task: str
    options: str
    spec: bytes
    parents: tuple[str, ...] = ()

    @property
    def is_unique(self) -> bool:
        """Whether it has a unique key."""
        return ",u" in self.options


def batches(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    """Cut jobs into batches of 250, 4 MiB of specs and 1,000 parents, with one job at least.

    Jobs that depend on others and unique ones go by scripts of their own, and not together.
    """
    if any(map(_options, jobs)) or sum(map(len, map(_spec, jobs))) > BATCH_BYTES:
        yield from _batches_one_by_one(jobs)
        return
    for start in range(0, len(jobs), BATCH):
        yield jobs[start : start + BATCH]


def _batches_one_by_one(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    start = size = parents = 0
    uniques = False
    for at, job in enumerate(jobs):
        size += len(job.spec)
        apart = False
        if job.options:
            parents += len(job.parents)
            uniques = uniques or job.is_unique
            apart = parents > BATCH_PARENTS or (uniques and parents > 0)
        if at > start and (apart or at - start == BATCH or size > BATCH_BYTES):
            yield jobs[start:at]
            start, size = at, len(job.spec)
            parents, uniques = len(job.parents), job.is_unique
    if jobs:
        yield jobs[start:]


class _Entry(NamedTuple):
    jobs: Sequence[NewJob]
    size: int
    added: asyncio.Future[Sequence[str]]
    # Not merged with others: a parent that is not there refuses the whole batch.
    alone: bool
    told: Sequence[str]
    floors: Mapping[str, int]


class Producer:
    """Adds jobs to one queue, from one event loop.

    Args:
        store: The queue.
        max_length: Waiting jobs at which the queue is full; 0 for no limit.
        most_of_key: Jobs of each key that may wait for their first start; 0 for any number.
        rate: How many jobs each key may add; None for any number.
        durability: What has to confirm each batch; None for nothing.
    """

    def __init__(
        self,
        store: Store,
        max_length: int,
        most_of_key: int,
        rate: Rate | None,
        durability: Durability | None,
    ) -> None:
        self._store = store
        self._ask = store.ask if durability is None else Confirmation(store, durability).ask
        self._max_length = max_length
        self._most = f"{max_length} {most_of_key}" if most_of_key else str(max_length)
        self._lines = bool(most_of_key)
        self._rate = "" if rate is None else f"{rate.jobs} {rate.ms}"
        self._limited = bool(max_length or rate)
        self._incarnation = secrets.token_hex(16)
        self._counter = 0
        self._waiting: deque[_Entry] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._busy = False
        self._last = 0

    async def add(
        self,
        jobs: Sequence[NewJob],
        *,
        flow: bool = False,
        told: Sequence[str] = (),
        floors: Mapping[str, int] = _NONE,
    ) -> Sequence[str]:
        """Add up to a batch of jobs, all or none, and return once Redis has accepted them.

        Args:
            jobs: The jobs.
            flow: Whether one has parents, or another queue is to be told of one.
            told: In pairs a queue and an id of one of the jobs of which it is to be told, or of a
                gate that opens there.
            floors: By other queue, the number below which what it told comes late.

        Returns:
            A text a job: ``1`` for one that was added, ``0`` for an id that was taken, ``2`` for
            one over the rate of its key, ``5`` for one of a key with as many waiting jobs as it
            may have, and for a unique key that was taken another digit and the
            id of the job that is there.

        Raises:
            QueueFull: Out of memory, or at the queue's maximal length; nothing was written.
            QueueUnavailable: Redis did not answer; the jobs may have been added.
            Unconfirmed: They were added, but the durability was not reached.
        """
        if self._last == 1 and not self._busy:
            return await self._add_alone(jobs, flow, told, floors)
        loop = asyncio.get_running_loop()
        added: asyncio.Future[Sequence[str]] = loop.create_future()
        size = sum(map(len, map(_spec, jobs)))
        self._waiting.append(_Entry(jobs, size, added, flow, told, floors))
        if not self._busy:
            self._start()
        return await added

    async def _add_alone(
        self, jobs: Sequence[NewJob], flow: bool, told: Sequence[str], floors: Mapping[str, int]
    ) -> Sequence[str]:
        # After a caller that came alone the next one is not made to wait for company either, and
        # sends by itself: without a task and a turn of the loop in between.
        self._busy = True
        try:
            return await (self._add_flow(jobs, told, floors) if flow else self._add(jobs))
        finally:
            self._busy = False
            if self._waiting:
                self._start()

    def _start(self) -> None:
        self._busy = True
        self._sending = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        entries: list[_Entry] = []
        try:
            crowded = min(self._last, len(self._waiting)) >= _WORTH_HALVING
            most = (len(self._waiting) + 1) // 2 if crowded else BATCH
            while self._waiting:
                entries = self._next_batch(most)
                most = BATCH
                if entries:
                    self._last = len(entries)
                    await self._send(entries)
                if self._waiting and self._last > 2 * len(self._waiting):
                    # Most callers are those whose batch has ended: they come again in this turn.
                    await asyncio.sleep(0)
        finally:
            self._busy = False
            for entry in (*entries, *self._waiting):
                entry.added.cancel()
            self._waiting.clear()

    def _next_batch(self, most: int) -> list[_Entry]:
        entries: list[_Entry] = []
        count = size = 0
        while self._waiting and len(entries) < most:
            entry = self._waiting[0]
            if entry.added.done():
                self._waiting.popleft()
                continue
            count += len(entry.jobs)
            size += entry.size
            if entry.alone:
                return entries or [self._waiting.popleft()]
            if entries and (count > BATCH or size > BATCH_BYTES):
                break
            entries.append(self._waiting.popleft())
        return entries

    async def _send(self, entries: list[_Entry]) -> None:
        try:
            jobs = [job for entry in entries for job in entry.jobs]
            if entries[0].alone:
                flags = await self._add_flow(jobs, entries[0].told, entries[0].floors)
            else:
                flags = await self._add(jobs)
        except Exception as error:  # whatever it is, it belongs to these callers
            at = 0
            for entry in entries:
                end = at + len(entry.jobs)
                if not entry.added.done():
                    entry.added.set_exception(_own(error, at, end))
                at = end
            return
        at = 0
        for entry in entries:
            end = at + len(entry.jobs)
            if not entry.added.done():
                entry.added.set_result(flags[at:end])
            at = end

    async def _add(self, jobs: Sequence[NewJob]) -> Sequence[str]:
        self._counter += 1
        job = jobs[0]
        plain = len(jobs) == 1 and not job.options and len(job.spec) < _LARGE
        # Who adds only one job is spared a second script to load.
        if plain and self._counter > 1 and not self._limited:
            lone = (self._incarnation, self._counter, job.id, job.task, job.spec)
            status, *answer = await self._ask("enqueue_one", *lone)
            if status == b"OK":
                return ADDED if answer[0] == b"1" else TAKEN
            # There is no queue any more; the other script makes one.
        words, keyed = self._words(jobs)
        script = "enqueue" if keyed or self._rate or self._lines else "enqueue_plain"
        return self._flags(jobs, *await self._ask(script, *words))

    async def _add_flow(
        self, jobs: Sequence[NewJob], told: Sequence[str], floors: Mapping[str, int]
    ) -> Sequence[str]:
        self._counter += 1
        words, _ = self._words(jobs)
        words[3] = len(jobs)
        lists = [_netstrings(job.parents) for job in jobs if job.parents]
        late = _netstrings([str(one) for pair in floors.items() for one in pair])
        ends = (late, *map(_encoded, told))
        status, *answer = await self._ask("enqueue_flow", *words, *lists, *ends)
        if status in (b"MISSING", b"CIRCLE"):
            child, parent = (part.decode(errors="replace") for part in answer)
            if status == b"CIRCLE":
                raise ConfigInvalid(
                    f"job {child} cannot depend on job {parent} of queue {self._store.queue}, "
                    f"which waits, itself or through others, for the job that had the id {child} "
                    "before and was removed: both would wait for ever. Give the new job another "
                    "id, or wait until a worker has told of the removal. Nothing was written."
                )
            raise JobNotFound(
                f"job {child} cannot depend on job {parent}: there is no record of it in queue "
                f"{self._store.queue}. It never was enqueued here, or its retention ended. "
                "Nothing was written."
            )
        return self._flags(jobs, status, *answer)

    def _flags(self, jobs: Sequence[NewJob], status: bytes, *answer: Any) -> Sequence[str]:
        if status == b"FULL":
            raise QueueFull(
                f"queue {self._store.queue} holds {answer[0]} waiting jobs and takes "
                f"{self._max_length}; {len(jobs)} more were refused, nothing was written. "
                "Wait for workers, or raise max_length."
            )
        if status == b"STALE":
            raise RuntimeError("a batch was sent after a later one of the same producer")
        return read_answer(answer)

    def _words(self, jobs: Sequence[NewJob]) -> tuple[list[str | bytes | int], bool]:
        """Return the words of a call, and whether one of its jobs has a key, unique or not."""
        tasks: dict[str, str] = {}
        flat: list[str | bytes] = []
        needs, keyed = 0, False
        for job in jobs:
            options = job.options
            number = tasks.get(job.task) or tasks.setdefault(job.task, f"{len(tasks) + 1}")
            if options:
                needs = max(needs, _need_of(options))
                if ",g" in options:
                    keyed = True
                    options += IN_LINE if self._lines else ""
            flat += (job.id, number + options, job.spec)
        head = (self._incarnation, self._counter, self._most, needs, self._rate, len(tasks))
        return [*head, *tasks, *flat], keyed or needs == _UNIQUE


def _need_of(options: str) -> int:
    if ",u" in options:
        return _UNIQUE
    return _TIME if ",y" in options or ",w" in options else 0


def _netstrings(ids: Sequence[str]) -> bytes:
    return b"".join(b"%d:%s" % (len(text), text) for text in map(_encoded, ids))


def _encoded(id: str) -> bytes:
    # Of a job of another queue the name is no UTF-8.
    return id.encode(errors="surrogateescape")


def _own(error: Exception, start: int, end: int) -> Exception:
    """Return the error as an object of one caller's own, which adds a traceback and ``.jobs``."""
    if isinstance(error, Unconfirmed):
        return error.part(start, end)
    if not isinstance(error, AiojobsError):
        return error
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    return own
