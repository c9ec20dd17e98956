"""Jobs by state, with search, and what can be done with many of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiojobs_redis.job import JobState
from aiojobs_redis.web.pages.gather import answering, counts_of
from aiojobs_redis.web.pages.listing import PAGE, SEARCHED, list_jobs, offset_of
from aiojobs_redis.web.pages.render import render
from aiojobs_redis.web.pages.rows import call_text, row_id, shown_time, tick
from aiojobs_redis.web.pages.search import QUALIFIERS, read_search

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["BULK", "jobs_page", "order_of", "state_of"]

BULK: Final = {
    JobState.SCHEDULED: ("promote", "cancel", "remove"),
    JobState.QUEUED: ("cancel", "remove"),
    JobState.BLOCKED: ("cancel", "remove"),
    JobState.RUNNING: ("cancel",),
    JobState.RETRYING: ("promote", "cancel", "remove"),
    JobState.COMPLETED: ("retry", "remove"),
    JobState.DEAD: ("retry", "remove"),
    JobState.CANCELLED: ("retry", "remove"),
}
"""What can be done with many jobs of a state at once."""

# Where nothing is asked for, the first of these that has jobs.
_FIRST: Final = (
    *(JobState.RUNNING, JobState.QUEUED, JobState.RETRYING, JobState.SCHEDULED),
    *(JobState.BLOCKED, JobState.DEAD, JobState.COMPLETED, JobState.CANCELLED),
)
_ORDERS: Final = {
    JobState.QUEUED: ("Last in line first", "Next in line first"),
    JobState.SCHEDULED: ("Due last first", "Due next first"),
    JobState.RETRYING: ("Due last first", "Due next first"),
}


async def jobs_page(request: Request) -> Response:
    """Show a page of jobs."""
    params = request.query_params
    wanted = read_search(params.get("q", ""))
    queues = await answering(request, wanted.queue)
    counts = await counts_of(queues)
    totals = {state: sum(int(getattr(each, state.value)) for each in counts) for state in JobState}
    first = next((state for state in _FIRST if totals[state]), JobState.RUNNING)
    state = state_of(params.get("state", ""), first)
    newest = order_of(params.get("order", ""), state)
    offset = offset_of(params.get("offset", ""))
    listing = await list_jobs(queues, counts, state, wanted, newest=newest, offset=offset)
    given = {
        "queue": params.get("queue", ""),
        "state": state.value,
        "q": params.get("q", ""),
        "order": "newest" if newest else "oldest",
    }
    return render(
        request,
        "jobs.html",
        here="jobs",
        listing=listing,
        totals=totals,
        state=state,
        newest=newest,
        order_words=_ORDERS.get(state, ("Newest first", "Oldest first"))[not newest],
        offset=offset,
        page=PAGE,
        searched=SEARCHED,
        bulk=BULK[state],
        given=given,
        wanted=wanted,
        qualifiers=QUALIFIERS,
        row_id=row_id,
        shown_time=shown_time,
        tick=tick,
        call_text=call_text,
    )


def state_of(text: str, otherwise: JobState) -> JobState:
    """Return the state of that name."""
    return JobState(text) if text in set(JobState) else otherwise


def order_of(text: str, state: JobState) -> bool:
    """Return whether the newest come first: as asked for, else what has finished last."""
    return text == "newest" if text in {"newest", "oldest"} else state.finished
