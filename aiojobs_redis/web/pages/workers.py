"""The workers, with what each of them runs now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiojobs_redis.job import JobState
from aiojobs_redis.web.pages.gather import answering, each_of
from aiojobs_redis.web.pages.render import render
from aiojobs_redis.web.pages.rows import call_text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from aiojobs_redis.job import JobInfo, WorkerInfo

__all__ = ["workers_page"]

_MOST_RUNNING: Final = 500


@dataclass(slots=True)
class Busy:
    """A worker, over all queues that it works for.

    Attributes:
        info: What it says of itself.
        queues: Names of its queues.
        running: Jobs that it says it runs.
        jobs: Those of them that are shown.
    """

    info: WorkerInfo
    queues: list[str] = field(default_factory=list[str])
    running: int = 0
    jobs: list[JobInfo] = field(default_factory=list[Any])


async def workers_page(request: Request) -> Response:
    """Show the workers."""
    queues = await answering(request)
    found: dict[str, Busy] = {}
    for queue, infos in zip(queues, await each_of(queues, lambda q: q.workers()), strict=True):
        for info in infos:
            busy = found.setdefault(info.id, Busy(info))
            busy.queues.append(queue.name)
            busy.running += info.running
    pages = await each_of(queues, lambda q: q.jobs(JobState.RUNNING, limit=_MOST_RUNNING))
    orphans: list[JobInfo] = []
    for job in (job for page in pages for job in page):
        holder = found.get(job.worker or "")
        (orphans if holder is None else holder.jobs).append(job)
    return render(
        request,
        "workers.html",
        here="workers",
        workers=list(found.values()),
        orphans=orphans,
        most=_MOST_RUNNING,
        cut=any(len(page) == _MOST_RUNNING for page in pages),
        call_text=call_text,
    )
