"""How a job looks: as a row among others, and in full with its errors."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.exits import Failure
from aiojobs_redis.cli.render import show_fields, styled, text_of

if TYPE_CHECKING:
    from aiojobs_redis import JobInfo, Queue

__all__ = ["COLUMNS", "get_job", "row_of", "show_job"]

COLUMNS = ["id", "state", "task", "attempt", "run_at", "last_error"]


def row_of(info: JobInfo) -> dict[str, Any]:
    """Return a job as a record, with its last error on one line."""
    last = info.errors[-1] if info.errors else None
    return asdict(info) | {"last_error": f"{last.type}: {last.message}" if last else None}


async def get_job(queue: Queue, job_id: str) -> JobInfo:
    """Return the record of a job.

    Raises:
        Failure: There is none.
    """
    info = await queue.job(job_id).info()
    if info is None:
        raise Failure(
            f"there is no record of job {job_id} in queue {queue.name}: it never was enqueued "
            "there, or its retention ended (1 h for completed jobs by default)."
        )
    return info


def show_job(info: JobInfo, *, as_json: bool) -> None:
    """Print all that is known of a job."""
    record = asdict(info)
    if as_json:
        show_fields(record, as_json=True)
        return
    del record["errors"]
    show_fields(record, as_json=False)
    for error in info.errors:
        at = text_of(error.at)
        click.echo()
        click.echo(styled(f"attempt {error.attempt}, {at}", dim=True))
        click.echo(styled(f"{text_of(error.type)}: {text_of(error.message)}", fg="red"))
        for line in error.traceback.splitlines():
            click.echo(f"  {text_of(line)}")
