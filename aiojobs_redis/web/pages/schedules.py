"""The schedules: when each ticks, in words and in times, and how its last job went."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cron_descriptor import ExpressionDescriptor, Options

from aiojobs_redis.web.pages.gather import answering, each_of
from aiojobs_redis.web.pages.listing import PAGE, offset_of
from aiojobs_redis.web.pages.past import INTERVAL, ticks_before
from aiojobs_redis.web.pages.render import render

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from aiojobs_redis.job import JobState
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.schedule import ScheduleInfo

__all__ = ["in_words", "schedules_page"]

_PAST: Final = 5


@dataclass(frozen=True, slots=True)
class Run:
    """A tick that made a job.

    Attributes:
        at: The tick.
        job: Id of the job.
        state: Its state, None where there is no record of it any more.
    """

    at: datetime
    job: str
    state: JobState | None


@dataclass(frozen=True, slots=True)
class Planned:
    """A schedule with what is told of it.

    Attributes:
        queue: Name of its queue.
        info: The schedule.
        words: Its expression in words, empty where there are none.
        ticks: Its next ticks.
        runs: Its last ticks, the newest first: the very last one, and those whose jobs are kept.
    """

    queue: str
    info: ScheduleInfo
    words: str
    ticks: list[datetime]
    runs: list[Run]


async def schedules_page(request: Request) -> Response:
    """Show a page of the schedules."""
    queues = await answering(request)
    read = await each_of(queues, lambda queue: queue.schedules())
    offset, total, found = offset_of(request.query_params.get("offset", "")), 0, list[Planned]()
    for queue, infos in zip(queues, read, strict=True):
        first = max(0, offset - total)
        total += len(infos)
        found += await _planned(queue, infos[first : first + PAGE - len(found)])
    return render(
        request,
        "schedules.html",
        here="schedules",
        schedules=found,
        offset=offset,
        page=PAGE,
        total=total,
    )


async def _planned(queue: Queue, infos: Sequence[ScheduleInfo]) -> list[Planned]:
    # To find ticks takes longer than to read schedules: only of those that are shown.
    if not infos:
        return []
    ticks = await queue.next_ticks(5, [info.id for info in infos])
    past = [_past(info) for info in infos]
    states = await queue.states([job for runs in past for _, job in runs])
    return [
        Planned(
            queue=queue.name,
            info=info,
            words=in_words(info.expression),
            ticks=ticks.get(info.id, []),
            runs=[
                Run(at, job, states.get(job))
                for at, job in runs
                if job == info.last_job or states.get(job) is not None
            ],
        )
        for info, runs in zip(infos, past, strict=True)
    ]


def _past(info: ScheduleInfo) -> list[tuple[datetime, str]]:
    """Return the last ticks with the jobs that they made, or would have made."""
    if info.last_at is None or info.last_job is None:
        return []
    before = ticks_before(info.expression, info.tz, info.last_at, min(info.runs, _PAST) - 1)
    return [
        (info.last_at, info.last_job),
        *((at, f"{info.id}:{round(at.timestamp() * 1000)}") for at in before),
    ]


@lru_cache(maxsize=1024)
def in_words(expression: str) -> str:
    """Return an expression in words; empty where it is in words, or has none."""
    if INTERVAL.fullmatch(expression):
        return ""
    # Six fields begin with the seconds here, as they do there.
    options = Options()
    options.use_24hour_time_format = True
    # Not in the language of whoever runs the process: the rest of the page is English.
    options.locale_code = "en_US"
    try:
        return str(ExpressionDescriptor(expression, options))
    except Exception:
        # It knows fewer forms than we do; the next runs say it all.
        return ""
