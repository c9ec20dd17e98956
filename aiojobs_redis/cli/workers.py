"""`workers`: who works on the queues of an application, and on what; what it asks of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.groups import DefaultGroup
from aiojobs_redis.cli.options import examples, json_option, queue_of_app
from aiojobs_redis.cli.worker_changes import quiet, resume, stop

if TYPE_CHECKING:
    from aiojobs_redis import Queue

__all__ = ["command"]

_JOBS = 1000
_COLUMNS = [
    *("queue", "id", "pid", "version", "concurrency", "running", "seen", "jobs", "state", "asked"),
]


@click.group(
    "workers",
    cls=DefaultGroup,
    default="ls",
    epilog=examples(
        "workers app:queue",
        "workers quiet app:queue host-4711-8c6f21d0",
        "workers stop app:queue --all",
    ),
)
def command() -> None:
    """Show workers, let them be quiet, go on or stop; without a command, `ls`."""


for _other in (quiet, resume, stop):
    command.add_command(_other)


@command.command(
    "ls", epilog=examples("workers ls app:queue", "workers app:queues --json | jq .id")
)
@queue_of_app
@json_option
def ls(app: str, queue_name: str | None, as_json: bool) -> None:
    """Show the workers that were seen in the last minute, and the jobs that they run."""
    from aiojobs_redis.cli.app import load_queue, load_queues, use
    from aiojobs_redis.cli.render import show_rows

    queues = load_queues(app) if queue_name is None else [load_queue(app, queue_name)]
    rows = [row for queue in queues for row in use(queue, _read)]
    names = ", ".join(queue.name for queue in queues)
    show_rows(
        rows,
        _COLUMNS,
        as_json=as_json,
        empty=f"No worker of {names} was seen in the last minute: aiojobs-redis worker {app}",
    )


async def _read(queue: Queue) -> list[dict[str, Any]]:
    workers = await queue.workers()
    # Which worker has a job stands with the job: a page of them is looked at.
    running = await queue.jobs("running", limit=_JOBS) if workers else []
    rows: list[dict[str, Any]] = []
    for worker in sorted(workers, key=lambda each: each.started_at):
        jobs = [{"id": info.id, "task": info.task} for info in running if info.worker == worker.id]
        record: dict[str, Any] = {"queue": queue.name} | asdict(worker)
        rows.append(record | {"seen": worker.heartbeat_at, "jobs": jobs})
    return rows
