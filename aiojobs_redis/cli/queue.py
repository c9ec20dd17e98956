"""`queue`: shows the queues of an application, pauses, empties and deletes one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from aiojobs_redis.cli.groups import Group
from aiojobs_redis.cli.options import (
    error_option,
    examples,
    json_option,
    queue_of_app,
    task_option,
    yes_option,
)

if TYPE_CHECKING:
    from aiojobs_redis import Counts, Queue

__all__ = ["command"]

_CLEANED = ("completed", "dead", "cancelled", "queued", "scheduled", "retrying", "blocked")


@click.group(
    "queue",
    cls=Group,
    epilog=examples(
        "queue ls app:queues", "queue pause app:queue", "queue drain app:queue --scheduled"
    ),
)
def command() -> None:
    """Look at queues, pause, empty and delete them."""


@command.command("ls", epilog=examples("queue ls app:queues", "queue ls app:queues --json"))
@click.argument("app")
@json_option
def ls(app: str, as_json: bool) -> None:
    """List the queues of APP with the jobs in each state."""
    from aiojobs_redis.cli.app import load_queues, use
    from aiojobs_redis.cli.render import show_rows

    rows = [
        {"queue": queue.name} | asdict(use(queue, lambda queue: queue.counts()))
        for queue in load_queues(app)
    ]
    columns = ["queue", "queued", "running", "scheduled", "retrying", "blocked", "dead", "paused"]
    show_rows(rows, columns, as_json=as_json, empty="")


@command.command("show", epilog=examples("queue show app:queue"))
@queue_of_app
@json_option
def show(app: str, queue_name: str | None, as_json: bool) -> None:
    """Show how many jobs are in each state."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.render import show_fields

    queue = load_queue(app, queue_name)
    counts = use(queue, lambda queue: queue.counts())
    show_fields({"queue": queue.name} | asdict(counts), as_json=as_json)


@command.command("pause", epilog=examples("queue pause app:queue"))
@queue_of_app
def pause(app: str, queue_name: str | None) -> None:
    """Start no more jobs, on any worker; running ones finish."""
    from aiojobs_redis.cli.app import load_queue, use

    queue = load_queue(app, queue_name)
    changed = use(queue, lambda queue: queue.pause())
    click.echo(f"queue {queue.name} is paused" if changed else f"queue {queue.name} was paused")


@command.command("resume", epilog=examples("queue resume app:queue"))
@queue_of_app
def resume(app: str, queue_name: str | None) -> None:
    """Start jobs again."""
    from aiojobs_redis.cli.app import load_queue, use

    queue = load_queue(app, queue_name)
    changed = use(queue, lambda queue: queue.resume())
    click.echo(f"queue {queue.name} goes on" if changed else f"queue {queue.name} was not paused")


@command.command(
    "drain", epilog=examples("queue drain app:queue", "queue drain app:queue --scheduled --yes")
)
@queue_of_app
@click.option("--scheduled", is_flag=True, help="Also those that wait for their time.")
@yes_option
def drain(app: str, queue_name: str | None, scheduled: bool, yes: bool) -> None:
    """Remove the jobs that wait to run; running and finished ones and schedules stay."""
    from aiojobs_redis.cli.app import load_queue, use

    queue = load_queue(app, queue_name)

    async def work(queue: Queue) -> int:
        count = _waiting(await queue.counts(), scheduled=scheduled)
        if count and not yes:
            click.confirm(f"Remove {count} waiting jobs of queue {queue.name}?", abort=True)
        return await queue.drain(scheduled=scheduled) if count else 0

    click.echo(f"{use(queue, work)} removed")


@command.command(
    "clean",
    epilog=examples(
        "queue clean app:queue --state completed --older-than 3600",
        "queue clean app:queue --state dead --error TimeoutError --limit 1000 --yes",
    ),
)
@queue_of_app
@click.option("--state", type=click.Choice(_CLEANED), required=True, help="Which jobs.")
@click.option(
    "--older-than",
    type=click.FloatRange(0),
    default=0,
    metavar="S",
    help="Seconds since they finished, or else since their enqueue.",
)
@click.option("--limit", type=click.IntRange(1), help="Jobs to remove at most.")
@task_option
@error_option
@yes_option
def clean(
    app: str,
    queue_name: str | None,
    state: str,
    older_than: float,
    limit: int | None,
    task: str | None,
    error: str | None,
    yes: bool,
) -> None:
    """Remove jobs of one state, in the order of its index."""
    from aiojobs_redis.cli.app import load_queue, use

    queue = load_queue(app, queue_name)

    async def work(queue: Queue) -> int:
        count = getattr(await queue.counts(), state)
        if count and not yes:
            which = f"of the {count} {state} jobs of queue {queue.name}"
            click.confirm(f"Remove what the options leave {which}?", abort=True)
        return await queue.clean(state, older_than, limit, task=task, error=error) if count else 0

    click.echo(f"{use(queue, work)} removed")


@command.command("destroy", epilog=examples("queue destroy app:queue --yes"))
@queue_of_app
@click.option("--force", is_flag=True, help="Also while jobs are running.")
@yes_option
def destroy(app: str, queue_name: str | None, force: bool, yes: bool) -> None:
    """Delete the queue with all its jobs and schedules."""
    from aiojobs_redis.cli.app import load_queue, use

    queue = load_queue(app, queue_name)

    async def work(queue: Queue) -> None:
        counts = await queue.counts()
        if not yes:
            count = counts.unfinished + counts.completed + counts.dead + counts.cancelled
            what = f"{count} jobs and {len(await queue.schedules())} schedules"
            click.confirm(f"Delete queue {queue.name} with {what}?", abort=True)
        await queue.destroy(force=force)

    use(queue, work)
    click.echo(f"queue {queue.name} is deleted")


def _waiting(counts: Counts, *, scheduled: bool) -> int:
    late = counts.scheduled + counts.retrying if scheduled else 0
    return counts.queued + counts.blocked + late
