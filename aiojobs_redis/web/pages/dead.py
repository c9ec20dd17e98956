"""Dead letters by task and error: what to replay, and what to remove."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiojobs_redis.job import JobState
from aiojobs_redis.web.pages.gather import answering, counts_of
from aiojobs_redis.web.pages.listing import SEARCHED, find_jobs
from aiojobs_redis.web.pages.render import render
from aiojobs_redis.web.pages.search import Wanted

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from aiojobs_redis.job import JobInfo

__all__ = ["dead_page"]


@dataclass(slots=True)
class Group:
    """Dead jobs of one task that ended by one error.

    Attributes:
        queue: Name of their queue.
        task: Name of their task.
        error: Type of their last error.
        last: The one that died last.
        count: How many there are.
    """

    queue: str
    task: str
    error: str
    last: JobInfo
    count: int = field(default=0)


async def dead_page(request: Request) -> Response:
    """Show the dead letters in groups."""
    queues = await answering(request)
    counts = await counts_of(queues)
    sizes = [each.dead for each in counts]
    jobs, searched = await find_jobs(queues, sizes, JobState.DEAD, Wanted())
    groups: dict[tuple[str, str, str], Group] = {}
    for info in jobs:
        error = info.errors[-1].type if info.errors else ""
        # The newest come first, so that the first of a group is its last.
        group = groups.setdefault(
            (info.queue, info.task, error), Group(info.queue, info.task, error, info)
        )
        group.count += 1
    return render(
        request,
        "dead.html",
        here="dead",
        groups=sorted(groups.values(), key=lambda group: -group.count),
        total=sum(sizes),
        searched=searched,
        most=SEARCHED,
        by_queue=[(q.name, size) for q, size in zip(queues, sizes, strict=True) if size],
    )
