"""The queues, and one of them with all that can be set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis.web.pages.charts import Series, bars, columns
from aiojobs_redis.web.pages.gather import answering, chosen, summaries
from aiojobs_redis.web.pages.overview import oldest_chart
from aiojobs_redis.web.pages.render import render
from aiojobs_redis.web.pages.texts import amount
from aiojobs_redis.web.pages.waits import waits

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["one_queue", "queues_page"]

_BACKLOGS = 50
_ACTIONS = 20


async def queues_page(request: Request) -> Response:
    """Show every queue in a line."""
    found = await summaries(await answering(request))
    return render(request, "queues.html", here="queues", summaries=found, columns=columns)


async def one_queue(request: Request) -> Response:
    """Show one queue."""
    [queue] = chosen(request, request.path_params["queue"])
    [summary] = await summaries([queue])
    minutes = summary.metrics.minutes
    done = [float(minute.total.completed) for minute in minutes]
    failed = [float(minute.total.failed + minute.total.dead) for minute in minutes]
    times = [minute.at for minute in minutes]
    throughput = bars(
        "Throughput and failures",
        f"Over the last hour {amount(sum(done))} jobs completed and {amount(sum(failed))} attempts "
        "failed.",
        "per min",
        times,
        [Series("completed", "completed", done), Series("failed", "dead", failed)],
    )
    return render(
        request,
        "queue.html",
        here="queues",
        each=summary,
        columns=columns,
        charts=[
            throughput,
            oldest_chart(times, waits(minutes, summary.counts.oldest_seconds or 0.0)),
        ],
        priorities=await queue.priorities(),
        limits=await queue.limits(),
        backlogs=await queue.backlogs(_BACKLOGS),
        health=summary.problems,
        actions=await queue.actions(_ACTIONS),
    )
