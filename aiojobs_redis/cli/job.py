"""`job`: shows one job, or those in a state; `job_changes` has what it does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.completion import complete_job
from aiojobs_redis.cli.groups import Group
from aiojobs_redis.cli.job_changes import cancel, promote, remove, retry
from aiojobs_redis.cli.job_watch import watch
from aiojobs_redis.cli.numbers import Whole
from aiojobs_redis.cli.options import (
    examples,
    json_option,
    limit_option,
    queue_of_app,
    task_option,
)

if TYPE_CHECKING:
    from aiojobs_redis import JobInfo, LogLine, Queue

__all__ = ["command"]

_STATES = (
    "running",
    "queued",
    "retrying",
    "scheduled",
    "blocked",
    "dead",
    "completed",
    "cancelled",
)


@click.group(
    "job",
    cls=Group,
    epilog=examples("job ls app:queue --state running", "job show app:queue 0198c3f2"),
)
def command() -> None:
    """Look at jobs, watch, cancel, retry, promote and remove them."""


for _other in (watch, cancel, retry, promote, remove):
    command.add_command(_other)


@command.command(
    "show",
    epilog=examples("job show app:queue 0198c3f2", "job show app:queue 0198c3f2 --json | jq .args"),
)
@queue_of_app
@click.argument("job_id", metavar="ID", shell_complete=complete_job)
@json_option
def show(app: str, queue_name: str | None, job_id: str, as_json: bool) -> None:
    """Show all that is known of the job ID: its result or errors, progress, the end of its log."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.views import read_job, read_result, show_job

    queue = load_queue(app, queue_name)

    async def read(queue: Queue) -> tuple[JobInfo, list[LogLine], dict[str, Any]]:
        info, log = await read_job(queue, job_id)
        return info, log, await read_result(queue, info)

    info, log, result = use(queue, read)
    show_job(info, log, result, as_json=as_json)


@command.command(
    "logs",
    epilog=examples("job logs app:queue 0198c3f2", "job logs app:queue 0198c3f2 --last 20 --json"),
)
@queue_of_app
@click.argument("job_id", metavar="ID", shell_complete=complete_job)
@click.option("--last", type=Whole(0), help="How many; all that are kept by default.")
@json_option
def logs(app: str, queue_name: str | None, job_id: str, last: int | None, as_json: bool) -> None:
    """Show what the job ID wrote to its log, oldest first."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.views import get_log, show_log

    queue = load_queue(app, queue_name)
    show_log(use(queue, lambda queue: get_log(queue, job_id, last)), as_json=as_json)


@command.command(
    "ls",
    epilog=examples(
        "job ls app:queue",
        "job ls app:queue --state retrying --task send_email",
        "job ls app:queue --state completed --limit 1000 --json",
    ),
)
@queue_of_app
@click.option("--state", type=click.Choice(_STATES), help="All states by default.")
@task_option
@limit_option
@click.option("--offset", type=Whole(0), default=0, help="Jobs to pass over; goes with --state.")
@json_option
def ls(
    app: str,
    queue_name: str | None,
    state: str | None,
    task: str | None,
    limit: int,
    offset: int,
    as_json: bool,
) -> None:
    """List jobs, each state in the order of its index: what is next, or oldest, comes first."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.render import show_rows
    from aiojobs_redis.cli.views import COLUMNS, row_of

    if offset and state is None:
        raise click.UsageError("--offset goes with --state.")
    queue = load_queue(app, queue_name)

    async def read(queue: Queue) -> list[JobInfo]:
        found: list[JobInfo] = []
        for one in _STATES if state is None else (state,):
            found += await queue.jobs(one, task, offset, limit - len(found))
            if len(found) >= limit:
                break
        return found

    rows = [row_of(info) for info in use(queue, read)]
    which = (f"{state} " if state else "") + "jobs" + (f" of task {task}" if task else "")
    show_rows(rows, COLUMNS, as_json=as_json, empty=f"Queue {queue.name} has no {which}.")
