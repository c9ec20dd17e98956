"""`stats`: the counts of each queue of an application, and its workers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.options import examples, json_option, queue_of_app

if TYPE_CHECKING:
    from aiojobs_redis import Counts, Queue, WorkerInfo

__all__ = ["command"]


@click.command(
    "stats",
    epilog=examples("stats app:queue", "stats app:queue --json | jq .queued"),
)
@queue_of_app
@json_option
def command(app: str, queue_name: str | None, as_json: bool) -> None:
    """Show how many jobs are in each state, and the workers seen in the last minute."""
    from aiojobs_redis.cli.app import load_queue, load_queues, use
    from aiojobs_redis.cli.render import show_fields, show_rows

    queues = load_queues(app) if queue_name is None else [load_queue(app, queue_name)]
    for place, queue in enumerate(queues):
        counts, workers = use(queue, _read)
        record: dict[str, Any] = {"queue": queue.name} | asdict(counts)
        rows = [asdict(worker) for worker in workers]
        if as_json:
            show_fields(record | {"worker_list": rows}, as_json=True)
            continue
        if place:
            click.echo()
        show_fields(record, as_json=False)
        if rows:
            click.echo()
            columns = [
                *("id", "host", "pid", "version", "state", "concurrency", "running"),
                "heartbeat_at",
            ]
            show_rows(rows, columns, as_json=False, empty="")


async def _read(queue: Queue) -> tuple[Counts, list[WorkerInfo]]:
    return await queue.counts(), await queue.workers()
