"""A page of jobs, found at a cost that is bounded whatever the number of jobs is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from aiojobs_redis._redis.inspector import Inspector
from aiojobs_redis.web.pages.rows import shown_time

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

    from aiojobs_redis.job import Counts, JobInfo, JobState
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.web.pages.search import Wanted

__all__ = [
    "PAGE",
    "SEARCHED",
    "Found",
    "Listing",
    "find_jobs",
    "list_jobs",
    "look_into",
    "offset_of",
    "parts_of",
]

PAGE: Final = 50
SEARCHED: Final = 5000
"""Jobs that a search looks into at most: the newest, or the oldest, ones."""

MERGED: Final = 250
"""Jobs of each of several queues that are read at most to list them together."""

_CHUNK: Final = 250
_LARGEST_OFFSET: Final = 10**9


class Found(NamedTuple):
    """A job that a search has found, without its arguments.

    Attributes:
        queue: Its queue.
        id: Its id.
        at: The time by which it stands in a list.
    """

    queue: Queue
    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """Some jobs of a state.

    Attributes:
        jobs: Those of the page.
        found: How many there are in all, as far as was looked.
        searched: How many were looked into; None where that was not needed.
        total: Jobs that there are in the state.
        reached: How many of those found can be listed, page by page.
    """

    jobs: Sequence[JobInfo]
    found: int
    searched: int | None
    total: int
    reached: int

    @property
    def cut(self) -> bool:
        """Whether there are jobs that were not looked into."""
        return self.searched is not None and self.searched < self.total


def offset_of(text: str) -> int:
    """Return how many lines of a list to pass over; none where that is no number."""
    return min(int(text), _LARGEST_OFFSET) if text.isdecimal() and len(text) < 12 else 0


async def list_jobs(
    queues: Sequence[Queue],
    counts: Sequence[Counts],
    state: JobState,
    wanted: Wanted,
    *,
    newest: bool,
    offset: int,
) -> Listing:
    """Return one page of the jobs that are wanted.

    Args:
        queues: Where to look.
        counts: Their counts.
        state: The state of the jobs; of one that is asked for by its id, any.
        wanted: Which jobs.
        newest: Whether the end of the index comes first.
        offset: Jobs to pass over.
    """
    sizes = [int(getattr(each, state.value)) for each in counts]
    total = sum(sizes)
    if wanted.id is not None:
        jobs = await find_one(queues, wanted)
        return Listing(jobs[offset : offset + PAGE], len(jobs), None, total, len(jobs))
    if wanted.looks_inside:
        found, searched = await find_jobs(queues, sizes, state, wanted, newest=newest)
        page = await _read(found[offset : offset + PAGE])
        return Listing(page, len(found), searched, total, len(found))
    filled = [(queue, size) for queue, size in zip(queues, sizes, strict=True) if size]
    if len(filled) == 1:
        [(queue, size)] = filled
        limit = max(0, min(PAGE, size - offset))
        jobs = await slice_of(queue, state, size, offset, limit, newest=newest)
        return Listing(jobs, total, None, total, total)
    # No index is of several queues: as much of each is read as may stand on the page.
    end = min(offset + PAGE, MERGED)
    reading = [
        slice_of(queue, state, size, 0, min(end, size), newest=newest) for queue, size in filled
    ]
    jobs = in_order([job for part in await asyncio.gather(*reading) for job in part], newest=newest)
    return Listing(jobs[offset:end], total, None, total, min(total, MERGED))


async def find_one(queues: Sequence[Queue], wanted: Wanted) -> list[JobInfo]:
    """Return the jobs of an id, of which each queue has one at most."""
    assert wanted.id is not None  # noqa: S101 - asked by the caller
    jobs = [info for queue in queues for info in await queue.infos([wanted.id])]
    return [info for info in jobs if wanted.accepts(info)]


async def _read(found: Sequence[Found]) -> list[JobInfo]:
    """Return the records of jobs that were found, without those that have gone."""
    ids: dict[Queue, list[str]] = {}
    for one in found:
        ids.setdefault(one.queue, []).append(one.id)
    read = await asyncio.gather(*(queue.infos(own) for queue, own in ids.items()))
    by_id = {(info.queue, info.id): info for infos in read for info in infos}
    keys = [(one.queue.name, one.id) for one in found]
    return [by_id[key] for key in keys if key in by_id]


def in_order(jobs: list[JobInfo], *, newest: bool) -> list[JobInfo]:
    """Return jobs in the order of the time that a list shows of them."""
    return sorted(jobs, key=shown_time, reverse=newest)


async def find_jobs(
    queues: Sequence[Queue],
    sizes: Sequence[int],
    state: JobState,
    wanted: Wanted,
    *,
    newest: bool = True,
) -> tuple[list[Found], int]:
    """Return the jobs of a state that are wanted, and how many were looked into."""
    found: list[Found] = []
    seen, searched = look_into(queues, sizes, state, newest=newest)
    async for queue, infos in seen:
        found += [Found(queue, info.id, shown_time(info)) for info in infos if wanted.accepts(info)]
    # The order of one queue says more: what is next stands first.
    if len(queues) > 1 or newest:
        found.sort(key=lambda one: one.at, reverse=newest)
    return found, searched


def look_into(
    queues: Sequence[Queue], sizes: Sequence[int], state: JobState, *, newest: bool = True
) -> tuple[AsyncGenerator[tuple[Queue, list[JobInfo]]], int]:
    """Return the jobs of a state, few at a time, and how many of them are looked into at most.

    Whoever takes them keeps what is needed of each: all together they may be of any size.
    """
    # As many of each queue, so that one with a long list does not hide the others.
    share = SEARCHED // max(1, sum(size > 0 for size in sizes))

    async def read() -> AsyncGenerator[tuple[Queue, list[JobInfo]]]:
        for queue, size in zip(queues, sizes, strict=True):
            async for infos in parts_of(queue, state, size, share, newest=newest):
                yield queue, infos

    return read(), sum(min(size, share) for size in sizes)


async def parts_of(
    queue: Queue, state: JobState, size: int, most: int, *, newest: bool
) -> AsyncGenerator[list[JobInfo]]:
    """Yield the jobs at an end of an index of that size, few at a time.

    Args:
        queue: The queue.
        state: The state.
        size: How many jobs are in it.
        most: Jobs to read at most.
        newest: Whether the end of the index comes first.
    """
    inspector = Inspector(queue.store)
    for at in range(0, min(size, most), _CHUNK):
        count = min(_CHUNK, most - at, size - at)
        ids = await inspector.ids(state, size - at - count if newest else at, count)
        async for infos in inspector.parts(ids[::-1] if newest else ids):
            yield infos


async def slice_of(
    queue: Queue, state: JobState, size: int, offset: int, limit: int, *, newest: bool
) -> list[JobInfo]:
    """Return jobs from an end of an index of that size."""
    if not newest:
        return await queue.jobs(state, offset=offset, limit=limit)
    start = size - offset - limit
    jobs = await queue.jobs(state, offset=max(0, start), limit=max(0, limit + min(0, start)))
    return jobs[::-1]
