"""Reads a queue without an ``await``, so that an assertion is a plain call.

The read goes on in a thread with an event loop of its own, while that of the caller stands still:
in a test nobody minds, and it works alike in memory and on every kind of server.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from aiojobs_redis.codec import decode_untyped
from aiojobs_redis.job import JobInfo, JobState
from aiojobs_redis.testing.at_enqueue import Added, Inline

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from aiojobs_redis.queue import Queue

__all__ = ["read_jobs"]

T = TypeVar("T")

_UNFINISHED = tuple(state for state in JobState if not state.finished)
_PAGE = 1000


def read_jobs(queue: Queue, states: Iterable[JobState] | None) -> list[JobInfo]:
    """Return the jobs of a queue, in the order of their enqueues.

    Args:
        queue: The queue.
        states: In which states; None for those that have not finished, and within `inline`, where
            none is left in these, for all that were enqueued in its block.

    Raises:
        QueueUnavailable: Redis did not answer.
    """
    inline = queue.adding if isinstance(queue.adding, Inline) else None
    wanted = states
    if wanted is None:
        wanted = _UNFINISHED if inline is None else JobState
    found = {info.id: info for info in _at_once(queue, _all(queue, wanted))}
    if states is None and inline is not None:
        for added in inline.added:
            found.setdefault(added.id, _as_added(queue, added))
    return sorted(found.values(), key=lambda info: (info.enqueued_at, info.id))


def _at_once(queue: Queue, reading: Coroutine[Any, Any, T]) -> T:
    """Return what reads a queue, from within an event loop or outside of one."""

    async def read() -> T:
        try:
            return await reading
        finally:
            queue.store.server.close_links()
            # What was closed leaves the loop in its next turn.
            await asyncio.sleep(0)

    with ThreadPoolExecutor(1, thread_name_prefix="aiojobs-testing") as thread:
        return thread.submit(asyncio.run, read()).result()


async def _all(queue: Queue, states: Iterable[JobState]) -> list[JobInfo]:
    found: list[JobInfo] = []
    for state in states:
        offset, page = 0, await queue.jobs(state, limit=_PAGE)
        while page:
            found += page
            offset += _PAGE
            page = await queue.jobs(state, offset=offset, limit=_PAGE)
    return found


def _as_added(queue: Queue, added: Added) -> JobInfo:
    """Return a job of which no record is left, such as one with ``keep_result=0``, by its call."""
    call = added.call
    task = call.made_by or queue.tasks.get(call.task)
    defaults = queue.defaults if task is None else task.defaults.over(queue.defaults)
    values = call.options.over(defaults).values
    args, kwargs = decode_untyped(call.call)
    return JobInfo(
        id=added.id,
        task=call.task,
        queue=queue.name,
        state=JobState.COMPLETED,
        priority=values.get("priority", 0),
        args=list(args),
        kwargs=kwargs,
        headers=dict(values.get("headers", {})),
        attempt=1,
        attempts=call.options.values.get("attempts"),
        lost_deliveries=0,
        generation=1,
        worker=None,
        enqueued_at=added.at,
        run_at=added.at,
        started_at=None,
        finished_at=None,
        key=values.get("key"),
    )
