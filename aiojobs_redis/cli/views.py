"""How a job looks: as a row among others, and in full with its errors."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.exits import Failure
from aiojobs_redis.cli.render import json_text, show_fields, styled, text_of
from aiojobs_redis.errors import AiojobsError, JobNotFound
from aiojobs_redis.secret_headers import hide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiojobs_redis import JobInfo, LogLine, Queue

__all__ = ["COLUMNS", "get_log", "read_job", "read_result", "row_of", "show_job", "show_log"]

_SHOWN = 10
_PATIENCE = 1.0
COLUMNS = ["id", "state", "task", "attempt", "run_at", "last_error"]


def row_of(info: JobInfo) -> dict[str, Any]:
    """Return a job as a record, with its last error on one line."""
    last = info.errors[-1] if info.errors else None
    return _record(info) | {"last_error": f"{last.type}: {last.message}" if last else None}


def _record(info: JobInfo) -> dict[str, Any]:
    # Output of commands gets into logs and tickets.
    return asdict(info) | {"headers": hide(info.headers)}


async def read_job(queue: Queue, job_id: str) -> tuple[JobInfo, list[LogLine]]:
    """Return the record of a job, and the last entries of its log.

    Raises:
        Failure: There is none.
    """
    info = await queue.job(job_id).info()
    if info is None:
        raise _no_record(queue, job_id)
    return info, await get_log(queue, job_id, _SHOWN)


async def read_result(queue: Queue, info: JobInfo) -> dict[str, Any]:
    """Return what a job returned, as a field; none for one that has not completed."""
    if info.state != "completed":
        return {}
    try:
        return {"result": await queue.job(info.id).result(_PATIENCE)}
    except (AiojobsError, TimeoutError) as error:
        # Too large to be kept, not sealed by a worker, or gone since.
        return {"result": None, "result_error": str(error)}


async def get_log(queue: Queue, job_id: str, last: int | None) -> list[LogLine]:
    """Return the last entries of a job's log, all for None.

    Raises:
        Failure: There is no record of the job.
    """
    try:
        return await queue.job(job_id).logs(last)
    except JobNotFound:
        raise _no_record(queue, job_id) from None


def _no_record(queue: Queue, job_id: str) -> Failure:
    return Failure(
        f"there is no record of job {job_id} in queue {queue.name}: it never was enqueued "
        "there, or its retention ended (1 h for completed jobs by default)."
    )


def show_log(log: Sequence[LogLine], *, as_json: bool) -> None:
    """Print entries of a job's log, a line each, or a line of JSON each."""
    for line in log:
        if as_json:
            click.echo(json_text(asdict(line)))
        else:
            head = f"{text_of(line.at)}  attempt {line.attempt}  "
            click.echo(styled(head, dim=True) + text_of(line.text))


def show_job(
    info: JobInfo, log: Sequence[LogLine], result: Mapping[str, Any], *, as_json: bool
) -> None:
    """Print all that is known of a job, and the end of its log for people."""
    record = _record(info) | dict(result)
    if as_json:
        show_fields(record, as_json=True)
        return
    del record["errors"]
    if "result" in result and "result_error" not in result:
        # As JSON, so that a text is told from a number, and None from nothing.
        record["result"] = json_text(result["result"])
    show_fields(record, as_json=False)
    for error in info.errors:
        at = text_of(error.at)
        click.echo()
        click.echo(styled(f"attempt {error.attempt}, {at}", dim=True))
        click.echo(styled(f"{text_of(error.type)}: {text_of(error.message)}", fg="red"))
        for line in error.traceback.splitlines():
            click.echo(f"  {text_of(line)}")
    if log:
        click.echo()
        show_log(log, as_json=False)
