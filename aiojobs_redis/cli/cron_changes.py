"""What `cron` does to schedules: a job now, a pause, the end of it, the end of the schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from aiojobs_redis.cli.completion import complete_schedule
from aiojobs_redis.cli.groups import Changing
from aiojobs_redis.cli.options import examples, json_option, queue_of_app, yes_option
from aiojobs_redis.cli.texts import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiojobs_redis import Queue

__all__ = ["pause", "remove", "resume", "run"]

T = TypeVar("T")

_id = click.argument("schedule_id", metavar="ID", shell_complete=complete_schedule)


@click.command("run", cls=Changing, epilog=examples("cron run app:queue nightly"))
@queue_of_app
@_id
@json_option
def run(app: str, queue_name: str | None, schedule_id: str, as_json: bool) -> None:
    """Make a job of the schedule ID now, beside its ticks, and print the job's id."""
    from aiojobs_redis.cli.render import json_text

    job = _change(
        app, queue_name, schedule_id, lambda queue: queue.trigger(schedule_id), "trigger_schedule"
    )
    click.echo(json_text({"id": job.id, "created": job.created}) if as_json else job.id)


@click.command("pause", cls=Changing, epilog=examples("cron pause app:queue nightly"))
@queue_of_app
@_id
def pause(app: str, queue_name: str | None, schedule_id: str) -> None:
    """Stop the ticks of the schedule ID; jobs that it has made stay."""
    _change(
        app,
        queue_name,
        schedule_id,
        lambda queue: queue.pause_schedule(schedule_id),
        "pause_schedule",
    )
    click.echo(f"schedule {printable(schedule_id)} is paused")


@click.command("resume", cls=Changing, epilog=examples("cron resume app:queue nightly"))
@queue_of_app
@_id
def resume(app: str, queue_name: str | None, schedule_id: str) -> None:
    """Let the schedule ID go on with its next tick."""
    _change(
        app,
        queue_name,
        schedule_id,
        lambda queue: queue.resume_schedule(schedule_id),
        "resume_schedule",
    )
    click.echo(f"schedule {printable(schedule_id)} goes on")


@click.command("rm", cls=Changing, epilog=examples("cron rm app:queue nightly --yes"))
@queue_of_app
@_id
@yes_option
def remove(app: str, queue_name: str | None, schedule_id: str, yes: bool) -> None:
    """Remove the schedule ID; jobs that it has made stay.

    One that is declared in the code comes back when a worker starts: pause it instead.
    """
    from aiojobs_redis.cli.app import load_queue
    from aiojobs_redis.cli.asking import ask

    queue = load_queue(app, queue_name)
    if not yes:
        again = any(each.id == schedule_id for each in queue.registry.declared)
        more = ", which the code declares again" if again else ""
        question = f"Remove schedule {schedule_id!r} of queue {queue.name}{more}?"
        ask(question)
    _change(
        app, queue_name, schedule_id, lambda queue: queue.unschedule(schedule_id), "remove_schedule"
    )
    click.echo(f"schedule {printable(schedule_id)} is removed")


def _change(
    app: str,
    queue_name: str | None,
    schedule_id: str,
    change: Callable[[Queue], Awaitable[T | None]],
    action: str,
) -> T:
    """Do it, and return what it returned.

    Raises:
        Failure: There is no such schedule.
    """
    import difflib

    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.exits import Failure
    from aiojobs_redis.cli.noting import act

    async def work(queue: Queue) -> T:
        done = await act(queue, action, schedule=schedule_id).run(lambda: change(queue))
        if done:
            return done
        known = [info.id for info in await queue.schedules()]
        near = difflib.get_close_matches(schedule_id, known, 1)
        hint = f"Did you mean {near[0]}?" if near else "See 'aiojobs-redis cron ls'."
        raise Failure(
            f"queue {queue.name} has no schedule {schedule_id!r} in Redis; those of the code are "
            f"there once a worker has run. {hint}"
        )

    return use(load_queue(app, queue_name), work)
