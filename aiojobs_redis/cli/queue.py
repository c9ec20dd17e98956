"""`queue`: shows the queues of an application, pauses, empties and deletes one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from aiojobs_redis.cli.groups import Changing, Group
from aiojobs_redis.cli.numbers import Seconds, Whole
from aiojobs_redis.cli.options import (
    app_argument,
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
@app_argument
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


@command.command(
    "actions", epilog=examples("queue actions app:queue", "queue actions app:queue --limit 500")
)
@queue_of_app
@click.option(
    "--limit",
    type=Whole(1, 1000),
    default=50,
    show_default=True,
    help="Records to show at most.",
)
@json_option
def actions(app: str, queue_name: str | None, limit: int, as_json: bool) -> None:
    """Show who did what to the queue, here or on the dashboard, the newest first."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.render import show_rows

    queue = load_queue(app, queue_name)
    found = use(queue, lambda queue: queue.actions(limit))
    show_rows(
        [asdict(record) for record in found],
        ["at", "who", "action", "job", "details", "outcome"],
        as_json=as_json,
        empty=f"Nobody did anything to queue {queue.name} that is recorded.",
    )


@command.command("pause", cls=Changing, epilog=examples("queue pause app:queue"))
@queue_of_app
def pause(app: str, queue_name: str | None) -> None:
    """Start no more jobs, on any worker; running ones finish."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.noting import noted

    queue = load_queue(app, queue_name)
    changed = use(queue, noted(lambda queue: queue.pause(), "pause"))
    click.echo(f"queue {queue.name} is paused" + ("" if changed else " already"))


@command.command("resume", cls=Changing, epilog=examples("queue resume app:queue"))
@queue_of_app
def resume(app: str, queue_name: str | None) -> None:
    """Start jobs again."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.noting import noted

    queue = load_queue(app, queue_name)
    changed = use(queue, noted(lambda queue: queue.resume(), "resume"))
    click.echo(f"queue {queue.name} goes on" if changed else f"queue {queue.name} was not paused")


@command.command(
    "drain",
    cls=Changing,
    epilog=examples("queue drain app:queue", "queue drain app:queue --scheduled --yes"),
)
@queue_of_app
@click.option("--scheduled", is_flag=True, help="Also those that wait for their time.")
@yes_option
def drain(app: str, queue_name: str | None, scheduled: bool, yes: bool) -> None:
    """Remove the jobs that wait to run; running and finished ones and schedules stay."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.asking import ask
    from aiojobs_redis.cli.noting import act
    from aiojobs_redis.cli.texts import number_of

    queue = load_queue(app, queue_name)

    async def work(queue: Queue) -> int:
        count = _waiting(await queue.counts(), scheduled=scheduled)
        if count and not yes:
            ask(f"Remove {number_of(count, 'waiting job')} of queue {queue.name}?")
        if not count:
            return 0
        drain = act(queue, "drain", scheduled=scheduled)
        return await drain.run(lambda: queue.drain(scheduled=scheduled))

    click.echo(f"{use(queue, work)} removed")


@command.command(
    "promote",
    cls=Changing,
    epilog=examples(
        "queue promote app:queue --task send_email", "queue promote app:queue --limit 100 --yes"
    ),
)
@queue_of_app
@task_option
@click.option("--key", help="Only jobs of this key.")
@click.option("--limit", type=Whole(1), help="Jobs to promote at most.")
@yes_option
def promote(
    app: str,
    queue_name: str | None,
    task: str | None,
    key: str | None,
    limit: int | None,
    yes: bool,
) -> None:
    """Let jobs that wait for their time run now: scheduled and retrying ones."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.asking import ask
    from aiojobs_redis.cli.noting import act

    queue = load_queue(app, queue_name)

    async def work(queue: Queue) -> int:
        counts = await queue.counts()
        count = counts.scheduled + counts.retrying
        if count and not yes:
            which = f"{_which(count, task, key, limit=limit)} of queue {queue.name}"
            ask(f"Promote {which} that wait for their time?")
        if not count:
            return 0
        promote = act(queue, "promote_all", task=task, key=key, limit=limit)
        return await promote.run(lambda: queue.promote_all(task, key, limit))

    click.echo(f"{use(queue, work)} promoted")


@command.command(
    "clean",
    cls=Changing,
    epilog=examples(
        "queue clean app:queue --state completed --older-than 3600",
        "queue clean app:queue --state dead --error TimeoutError --limit 1000 --yes",
    ),
)
@queue_of_app
@click.option("--state", type=click.Choice(_CLEANED), required=True, help="Which jobs.")
@click.option(
    "--older-than",
    type=Seconds(0),
    default=0,
    help="Seconds since they finished, or else since their enqueue.",
)
@click.option("--limit", type=Whole(1), help="Jobs to remove at most.")
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
    from aiojobs_redis.cli.asking import ask
    from aiojobs_redis.cli.noting import act

    queue = load_queue(app, queue_name)

    async def work(queue: Queue) -> int:
        count = getattr(await queue.counts(), state)
        if count and not yes:
            which = _which(count, older_than, task, error, state=state, limit=limit)
            ask(f"Remove {which} of queue {queue.name}?")
        if not count:
            return 0
        what = {"state": state, "task": task, "error": error}
        clean = act(queue, "clean", older_than=older_than, limit=limit, **what)
        return await clean.run(
            lambda: queue.clean(state, older_than, limit, task=task, error=error)
        )

    click.echo(f"{use(queue, work)} removed")


@command.command("destroy", cls=Changing, epilog=examples("queue destroy app:queue --yes"))
@queue_of_app
@click.option("--force", is_flag=True, help="Also where jobs run or wait to.")
@yes_option
def destroy(app: str, queue_name: str | None, force: bool, yes: bool) -> None:
    """Delete the queue with all its jobs and schedules.

    Jobs that have not ended prevent it, without --force.
    """
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.asking import ask
    from aiojobs_redis.cli.exits import Failure
    from aiojobs_redis.cli.noting import act
    from aiojobs_redis.cli.texts import number_of
    from aiojobs_redis.errors import JobStateError

    queue = load_queue(app, queue_name)

    async def work(queue: Queue) -> None:
        counts = await queue.counts()
        if not yes:
            if counts.unfinished and not force:
                # Nobody is asked for what would be refused.
                raise Failure(
                    f"queue {queue.name} has {number_of(counts.unfinished, 'job')} still to end: "
                    "see 'aiojobs-redis queue drain', or delete them too with --force. Nothing was "
                    "deleted."
                )
            count = counts.unfinished + counts.completed + counts.dead + counts.cancelled
            schedules = number_of(len(await queue.schedules()), "schedule")
            ask(f"Delete queue {queue.name} with {number_of(count, 'job')} and {schedules}?")
        destroy = act(queue, "destroy", force=force)
        try:
            await destroy.run(lambda: queue.destroy(force=force))
        except JobStateError as error:
            raise Failure(str(error).replace("force=True", "--force")) from error
        # Whatever the queue knew of it has gone with it.
        destroy.log("deleted")

    use(queue, work)
    click.echo(f"queue {queue.name} is deleted")


def _waiting(counts: Counts, *, scheduled: bool) -> int:
    late = counts.scheduled + counts.retrying if scheduled else 0
    return counts.queued + counts.blocked + late


def _which(count: int, *filters: object, state: str = "", limit: int | None = None) -> str:
    """Say which jobs of that count are meant; what filters leave is not counted."""
    from aiojobs_redis.cli.texts import number_of

    what = f"{state} job".lstrip()
    if any(filters):
        return f"what the options leave of the {number_of(count, what)}"
    return number_of(min(count, limit or count), what)
