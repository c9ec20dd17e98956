"""A short life full of limits, for a process that is killed in it: see `tests.support.doomed_app`.

Every job is named after the scope that limits it and its number in there, so that `Starts` can tell
from the events of Redis alone whether the limits were kept, whoever ran the jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aiojobs_redis import AiojobsError, BoundCall, Job, Queue, Throttle, Worker, current_job
from aiojobs_redis.extras import netstrings
from tests.support.waiting import wait_until

__all__ = ["LEASE", "NAME", "Starts", "build", "live", "work_off"]

NAME = "doomed"
LEASE = 0.5
KEYS = ("left", "right")
RANKED = "right"
"""Of this key some jobs go before others, so that they trade places and slots."""
AT_ONCE = {"left": 1, "right": 1, "few": 2, "both": 1}
"""Jobs that may have started and not ended, by the first word of their names."""
WINDOWS = {"paced": (3, 250), "": (12, 250)}
"""Starts in a window of so many ms; of the whole queue for the empty word."""
LATE = {"valkey": 0, "redis": 100}
"""By how many ms an event may be stamped later than its script read the clock: Redis 7.0 does not
stop the time for a script, which a busy machine may hold up."""


def build(url: str) -> Queue:
    """Return the queue with its tasks: one fails at first, one asks that its key waits."""
    queue = Queue(NAME, url=url, namespace="test")
    asked: set[int] = set()

    @queue.task(attempts=3, backoff=[0.01], lease=LEASE)
    async def line(number: int) -> None:
        await asyncio.sleep(0.003)
        if number % 3 == 1 and current_job().attempt == 1:
            raise OSError("at first")
        if number % 3 == 2 and number not in asked:
            asked.add(number)
            raise Throttle(0.03, scope="key")

    @queue.task(lease=LEASE)
    async def few() -> None:
        await asyncio.sleep(0.003)

    @queue.task(lease=LEASE)
    async def paced() -> None: ...

    return queue


async def _limit(queue: Queue) -> None:
    await queue.limit(concurrency=1, key="*")
    await queue.limit(concurrency=2, key="both")
    await queue.limit(concurrency=AT_ONCE["both"], task="few", key="both")
    await queue.limit(concurrency=1, task="few")
    await queue.limit(concurrency=AT_ONCE["few"], task="few")
    count, ms = WINDOWS["paced"]
    await queue.limit(rate=(count, ms / 1000), task="paced")
    count, ms = WINDOWS[""]
    await queue.limit(concurrency=5, rate=(count, ms / 1000))


def _calls(queue: Queue, first: int, last: int) -> list[BoundCall[Any]]:
    tasks, numbers = queue.tasks, range(first, last)
    lines = [
        queue.bind(
            *(tasks["line"], number),
            key=key,
            id=f"{key}-{number}",
            key_priority=number % 2 if key == RANKED else 0,
        )
        for number in numbers
        for key in KEYS
    ]
    few = [queue.bind(tasks["few"], id=f"few-{number}") for number in numbers]
    few += [
        queue.bind(tasks["few"], key="both", id=f"both-{number}", key_priority=number)
        for number in numbers
    ]
    return [*lines, *few, *(queue.bind(tasks["paced"], id=f"paced-{n}") for n in numbers)]


async def _all(jobs: Sequence[Job[Any]]) -> None:
    for job in jobs:
        with contextlib.suppress(AiojobsError):
            await job.result(20)


async def live(url: str, folder: str) -> None:
    """Do everything once."""
    queue = build(url)
    with queue.record_history(Path(folder)):
        await _limit(queue)
        async with Worker(queue, concurrency=8):
            jobs = await queue.enqueue_many(_calls(queue, 0, 6))
            await queue.job("left-4").cancel()
            await queue.limit_for(0.1, task="few")
            await _all(jobs)
    await queue.close()


async def work_off(url: str, folder: Path) -> None:
    """Do what is left and some more, and take the limits away."""
    queue = build(url)

    async def ended() -> bool:
        return not (await queue.counts()).unfinished

    with queue.record_history(folder) as recorder:
        await _limit(queue)
        async with Worker(queue, concurrency=8):
            await _all(await queue.enqueue_many(_calls(queue, 6, 8)))
            await wait_until(ended, "all to end", 20)
        for limit in await queue.limits():
            await queue.limit(task=limit.task, key=limit.key)
        recorder.mark("drained")
    await queue.close()


_OF_JOBS = ("started", "completed", "dead", "cancelled", "recovered", "retrying")


class Starts:
    """What the events of a queue say of its limits.

    Args:
        entries: Its stream of events, whole.
        late: By how many ms an event may be late; see `LATE`.
    """

    def __init__(self, entries: Sequence[tuple[bytes, dict[bytes, bytes]]], late: int = 0) -> None:
        self.events = list(_events(entries))
        self._late = late

    def wrong(self) -> Iterator[str]:
        """Tell of limits that were not kept, and of jobs of a key that overtook others."""
        yield from self._too_many_at_once()
        starts = list(self._starts())
        for word, (count, window) in WINDOWS.items():
            at = [ms for ms, id in starts if id.startswith(word)]
            for begin in at:
                within = sum(begin <= other < begin + window - self._late for other in at)
                if within > count:
                    yield f"{within} starts of {word or 'all'} in {window} ms, the limit is {count}"
                    break

    def recovered(self, job: str, since: int) -> int | None:
        """Return how long after that time a job was taken from its dead worker, in ms."""
        found = [at for at, kind, id in self.events if (kind, id) == ("recovered", job)]
        return next((at - since for at in found if at >= since), None)

    def _starts(self) -> Iterator[tuple[int, str]]:
        """Return the claims that were starts: not those that were handed back unbegun.

        A busy machine does so with what comes late for its lease. The next event of the job is
        another start then.
        """
        following: dict[str, str] = {}
        for ms, kind, id in reversed(self.events):
            if kind == "started" and following.get(id) != "started":
                yield ms, id
            following[id] = kind

    def _too_many_at_once(self) -> Iterator[str]:
        held: dict[str, set[str]] = defaultdict(set)
        last: dict[str, int] = defaultdict(lambda: -1)
        for _, kind, id in self.events:
            word, number = id.split("-")
            if kind in ("completed", "dead", "cancelled"):
                held[word].discard(id)
            if kind != "started" or word not in AT_ONCE or id in held[word]:
                continue
            held[word].add(id)
            if len(held[word]) > AT_ONCE[word]:
                yield f"{sorted(held[word])} ran at once, the limit is {AT_ONCE[word]}"
            if word in KEYS and word != RANKED and int(number) < last[word]:
                yield f"{id} started after {word}-{last[word]}"
            last[word] = max(last[word], int(number))


def _events(
    entries: Sequence[tuple[bytes, dict[bytes, bytes]]],
) -> Iterator[tuple[int, str, str]]:
    for at, fields in entries:
        for field, ids in fields.items():
            kind = field.partition(b",")[0].decode()
            if kind in _OF_JOBS:
                for id in netstrings(ids):
                    yield int(at.partition(b"-")[0]), kind, id.decode()
