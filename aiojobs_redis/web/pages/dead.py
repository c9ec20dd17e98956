"""Dead letters by task and error: what to replay, and what to remove."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiojobs_redis.job import JobState
from aiojobs_redis.web.pages.gather import answering, counts_of
from aiojobs_redis.web.pages.listing import SEARCHED, look_into
from aiojobs_redis.web.pages.render import render

if TYPE_CHECKING:
    from datetime import datetime

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
        message: What the last error of the one that died last said.
        last_at: When that was.
        count: How many there are.
    """

    queue: str
    task: str
    error: str
    message: str = ""
    last_at: datetime | None = None
    count: int = 0

    def add(self, info: JobInfo) -> None:
        """Count a job; nothing of it is kept but what is shown."""
        self.count += 1
        at = info.finished_at
        if self.count == 1 or (at is not None and (self.last_at is None or at > self.last_at)):
            self.message = info.errors[-1].message if info.errors else ""
            self.last_at = at


async def dead_page(request: Request) -> Response:
    """Show the dead letters in groups."""
    queues = await answering(request)
    counts = await counts_of(queues)
    sizes = [each.dead for each in counts]
    seen, searched = look_into(queues, sizes, JobState.DEAD)
    groups: dict[tuple[str, str, str], Group] = {}
    async for _, infos in seen:
        for info in infos:
            key = (info.queue, info.task, info.errors[-1].type if info.errors else "")
            groups.setdefault(key, Group(*key)).add(info)
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
