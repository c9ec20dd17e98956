"""The first page: how all queues are, and the last hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis.job import JobState
from aiojobs_redis.web.pages.charts import Series, bars, line
from aiojobs_redis.web.pages.gather import answering, servers_of, summaries
from aiojobs_redis.web.pages.render import render
from aiojobs_redis.web.pages.texts import amount, seconds_text
from aiojobs_redis.web.pages.waits import longest, waits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from aiojobs_redis.metrics import TaskMetrics
    from aiojobs_redis.web.pages.charts import Chart
    from aiojobs_redis.web.pages.gather import Summary

__all__ = ["oldest_chart", "overview"]


async def overview(request: Request) -> Response:
    """Show the overview."""
    found = await summaries(await answering(request))
    totals = {
        state: sum(int(getattr(each.counts, state.value)) for each in found) for state in JobState
    }
    oldest = max((each.counts.oldest_seconds or 0.0 for each in found), default=0.0)
    workers = {worker.id: worker.concurrency for each in found for worker in each.workers}
    problems = [(each.queue.name, text) for each in found for text in each.problems]
    servers = [report for report, _ in await servers_of(each.queue for each in found)]
    return render(
        request,
        "overview.html",
        here="overview",
        summaries=found,
        totals=totals,
        oldest=oldest,
        workers=len(workers),
        slots=sum(workers.values()),
        problems=problems,
        servers=servers,
        charts=_charts(found),
    )


def _charts(found: Sequence[Summary]) -> list[Chart]:
    times = [minute.at for minute in found[0].metrics.minutes]
    # Two queues may be asked on both sides of a full minute; the newest ones are those in common.
    rows = [each.metrics.minutes[-len(times) :] for each in found]
    minutes = [[row[place].total for row in rows] for place in range(len(times))]
    completed = [float(_sum(each, "completed")) for each in minutes]
    failed = [float(_sum(each, "failed")) for each in minutes]
    dead = [float(_sum(each, "dead")) for each in minutes]
    mean = [_mean(each) for each in minutes]
    known = [value for value in mean if value is not None]
    slowest = seconds_text(max(known)) if known else "nothing ran"
    return [
        bars(
            "Throughput",
            f"Completed jobs a minute over the last hour: {amount(sum(completed))} in all, "
            f"{amount(max(completed))} in the busiest minute.",
            "jobs/min",
            times,
            [Series("completed", "completed", completed)],
        ),
        bars(
            "Failures",
            f"Over the last hour {amount(sum(failed))} attempts failed and are repeated, and "
            f"{amount(sum(dead))} jobs died.",
            "per min",
            times,
            [Series("failed attempts", "retrying", failed), Series("dead jobs", "dead", dead)],
        ),
        line(
            "Run time",
            f"Mean run time of an attempt, minute by minute over the last hour; at most {slowest}.",
            "s",
            times,
            Series("mean run time", "latency", mean),
        ),
        oldest_chart(
            times,
            longest(
                [
                    waits(row, each.counts.oldest_seconds or 0.0)
                    for row, each in zip(rows, found, strict=True)
                ]
            ),
        ),
    ]


def oldest_chart(times: Sequence[datetime], values: Sequence[float | None]) -> Chart:
    """Return the line of the wait of the oldest job, of which the last value is that of now."""
    known = [value for value in values if value is not None]
    return line(
        "Oldest queued job",
        f"How long the oldest queued job had waited, minute by minute over the last hour: now "
        f"{seconds_text(values[-1])}, at most {seconds_text(max(known, default=0.0))}.",
        "s",
        times,
        Series("oldest queued job", "oldest", values),
    )


def _sum(parts: Sequence[TaskMetrics], name: str) -> int:
    return sum(int(getattr(part, name)) for part in parts)


def _mean(parts: Sequence[TaskMetrics]) -> float | None:
    runs = sum(_sum(parts, name) for name in ("completed", "failed", "dead"))
    return sum(part.run_seconds for part in parts) / runs if runs else None
