"""`job watch`: follows one job to its end; the exit code says which end that was."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from aiojobs_redis.cli.completion import complete_job
from aiojobs_redis.cli.numbers import Seconds
from aiojobs_redis.cli.options import examples, json_option, queue_of_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis import JobInfo, LogLine, Queue
    from aiojobs_redis.cli.job_view import View

__all__ = ["new_lines", "watch"]

_INTERVAL = 0.25


@click.command(
    "watch",
    epilog=examples("job watch app:queue 0198c3f2", "job watch app:queue 0198c3f2 --timeout 60")
    + "\n\n\b\nExit codes:\n  0  the job completed\n  1  it is dead, or there is no record of it\n"
    "  3  Redis cannot be reached\n  4  it was cancelled\n  5  --timeout ended before it did",
)
@queue_of_app
@click.argument("job_id", metavar="ID", shell_complete=complete_job)
@click.option("--timeout", type=Seconds(0), help="Watch this long at most.")
@json_option
def watch(
    app: str, queue_name: str | None, job_id: str, timeout: float | None, as_json: bool
) -> None:
    """Follow the job ID to its end: its state, its progress, its log."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.job_view import make_view

    queue = load_queue(app, queue_name)
    with make_view(job_id, as_json=as_json) as view:
        info = use(queue, lambda queue: _follow(queue, job_id, timeout, view))
    _end(info)


async def _follow(queue: Queue, job_id: str, timeout: float | None, view: View) -> JobInfo:
    import asyncio

    from aiojobs_redis.cli.exits import Failure, TimedOut
    from aiojobs_redis.cli.views import get_log, read_job

    began = time.monotonic()
    info, seen = await read_job(queue, job_id)
    seen = await get_log(queue, job_id, None)
    view.update(info, seen)
    while not info.state.finished:
        if timeout is not None and time.monotonic() - began >= timeout:
            raise TimedOut(f"job {job_id} is {info.state} after {timeout:g} s. It goes on.")
        await asyncio.sleep(_INTERVAL)
        latest = await queue.job(job_id).info()
        if latest is None:
            raise Failure(
                f"job {job_id} was {info.state} and is gone: it was removed, or it ended and "
                "keeps no result."
            )
        # After the record: what it wrote before its end is there then.
        info, log = latest, await get_log(queue, job_id, None)
        view.update(info, new_lines(seen, log))
        seen = log
    return info


def new_lines(before: Sequence[LogLine], now: Sequence[LogLine]) -> Sequence[LogLine]:
    """Return the entries of a log that were not there before; it may have lost its oldest."""
    for start in range(len(before) + 1):
        rest = before[start:]
        if list(now[: len(rest)]) == list(rest):
            return now[len(rest) :]
    return now


def _end(info: JobInfo) -> None:
    from aiojobs_redis.cli.exits import ExitCode, failure_of
    from aiojobs_redis.errors import JobCancelled, JobFailed

    last = info.errors[-1] if info.errors else None
    if info.state == "dead":
        kind, message = (last.type, last.message) if last else ("dead", "no error is kept")
        raise failure_of(JobFailed(info.id, kind, message))
    if info.state == "cancelled":
        why = f": {last.message}" if last and last.message else ""
        raise failure_of(JobCancelled(f"job {info.id} was cancelled{why}"))
    click.get_current_context().exit(ExitCode.DONE)
