"""`dead`: looks at dead letters, runs them again, and removes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aiojobs_redis.cli.completion import complete_dead
from aiojobs_redis.cli.groups import Changing, Group
from aiojobs_redis.cli.options import (
    error_option,
    examples,
    json_option,
    limit_option,
    queue_of_app,
    task_option,
    yes_option,
)

if TYPE_CHECKING:
    from datetime import datetime

    from aiojobs_redis import Queue

__all__ = ["command"]

_BATCH = 250


@click.group(
    "dead",
    cls=Group,
    epilog=examples(
        "dead ls app:queue --error TimeoutError", "dead replay app:queue --all --task send_email"
    ),
)
def command() -> None:
    """Look at dead letters, replay and remove them."""


@command.command(
    "ls", epilog=examples("dead ls app:queue", "dead ls app:queue --task send_email --json")
)
@queue_of_app
@task_option
@error_option
@limit_option
@json_option
def ls(
    app: str,
    queue_name: str | None,
    task: str | None,
    error: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List dead letters, the longest dead first."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.render import show_rows
    from aiojobs_redis.cli.views import row_of

    queue = load_queue(app, queue_name)
    letters = use(queue, lambda queue: queue.dead_letters(task, error, limit=limit))
    show_rows(
        [row_of(info) for info in letters],
        ["id", "task", "attempt", "finished_at", "last_error"],
        as_json=as_json,
        empty=f"Queue {queue.name} has no such dead letters. They are kept 30 days by default.",
    )


@command.command("show", epilog=examples("dead show app:queue 0198c3f2"))
@queue_of_app
@click.argument("job_id", metavar="ID", shell_complete=complete_dead)
@json_option
def show(app: str, queue_name: str | None, job_id: str, as_json: bool) -> None:
    """Show the dead letter ID with the traceback of each attempt."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.exits import Failure
    from aiojobs_redis.cli.views import read_job, show_job

    queue = load_queue(app, queue_name)
    info, log = use(queue, lambda queue: read_job(queue, job_id))
    if info.state != "dead":
        raise Failure(f"job {job_id} is {info.state}, not dead: see 'aiojobs-redis job show'.")
    show_job(info, log, {}, as_json=as_json)


@command.command(
    "replay",
    cls=Changing,
    epilog=examples(
        "dead replay app:queue 0198c3f2 0198c3f7",
        "dead replay app:queue --all --error TimeoutError",
        "dead replay app:queue --all --before 2026-12-24T18:00Z --yes",
    ),
)
@queue_of_app
@click.argument("job_ids", metavar="[ID...]", nargs=-1, shell_complete=complete_dead)
@click.option("--all", "every", is_flag=True, help="All dead letters that the options leave.")
@task_option
@error_option
@click.option("--before", metavar="TIME", help="Only those that died before, by ISO 8601.")
@yes_option
def replay(
    app: str,
    queue_name: str | None,
    job_ids: tuple[str, ...],
    every: bool,
    task: str | None,
    error: str | None,
    before: str | None,
    yes: bool,
) -> None:
    """Run dead letters again: same id, fresh attempts, history kept."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.asking import ask
    from aiojobs_redis.cli.instants import read_instant
    from aiojobs_redis.cli.noting import act
    from aiojobs_redis.cli.texts import number_of

    _check_choice(job_ids, task, error, every=every)
    if job_ids and before:
        raise click.UsageError("--before goes with --all.")
    moment = None if before is None else read_instant("--before", before)
    queue = load_queue(app, queue_name)

    async def work(queue: Queue) -> int:
        if job_ids:
            return await _replay_each(queue, job_ids)
        if not yes:
            count = await _count(queue, task, error, moment)
            if not count:
                return 0
            ask(f"Replay {number_of(count, 'dead letter')} of queue {queue.name}?")
        replay = act(queue, "replay_all", task=task, error=error, before=before)
        return await replay.run(lambda: queue.replay_all(task, error, before=moment))

    click.echo(f"{use(queue, work)} replayed")


@command.command(
    "remove",
    cls=Changing,
    epilog=examples(
        "dead remove app:queue 0198c3f2 0198c3f7",
        "dead remove app:queue --all --error TimeoutError",
    ),
)
@queue_of_app
@click.argument("job_ids", metavar="[ID...]", nargs=-1, shell_complete=complete_dead)
@click.option("--all", "every", is_flag=True, help="All dead letters that the options leave.")
@task_option
@error_option
@yes_option
def remove(
    app: str,
    queue_name: str | None,
    job_ids: tuple[str, ...],
    every: bool,
    task: str | None,
    error: str | None,
    yes: bool,
) -> None:
    """Forget dead letters, with their errors."""
    from aiojobs_redis._redis.remover import Remover
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.asking import ask
    from aiojobs_redis.cli.noting import act, note
    from aiojobs_redis.cli.texts import number_of

    _check_choice(job_ids, task, error, every=every)
    queue = load_queue(app, queue_name)

    async def work(queue: Queue) -> int:
        ids = tuple(dict.fromkeys(job_ids))
        if ids:
            await _check_dead(queue, ids)
        count = len(ids) or await _count(queue, task, error)
        if count and not yes:
            ask(f"Remove {number_of(count, 'dead letter')} of queue {queue.name}?")
        if not ids and not count:
            return 0
        if not ids:
            clean = act(queue, "clean", state="dead", task=task, error=error)
            return await clean.run(lambda: queue.clean("dead", task=task, error=error))
        for job_id in ids:
            await note(queue, "remove", job_id)
        # One that was replayed since it was looked at is not dead any more, and stays.
        return (await Remover(queue.store).remove(ids, "d")).count("D")

    click.echo(f"{use(queue, work)} removed")


def _check_choice(
    job_ids: tuple[str, ...], task: str | None, error: str | None, *, every: bool
) -> None:
    if every == bool(job_ids):
        raise click.UsageError("Give ids, or --all.")
    if job_ids and (task or error):
        raise click.UsageError("--task and --error go with --all.")


async def _check_dead(queue: Queue, job_ids: tuple[str, ...]) -> None:
    from aiojobs_redis.cli.exits import Failure

    states = await queue.states(job_ids)
    wrong = [f"{job} is {state or 'not there'}" for job, state in states.items() if state != "dead"]
    if wrong:
        raise Failure(
            f"not a dead letter of queue {queue.name}: {'; '.join(wrong)}. Nothing was changed; "
            "see 'aiojobs-redis dead ls'."
        )


async def _replay_each(queue: Queue, job_ids: tuple[str, ...]) -> int:
    """Replay these; one that is not dead any more since it was looked at stays as it is."""
    from aiojobs_redis._redis.replayer import split_reply
    from aiojobs_redis.cli.exits import Failure
    from aiojobs_redis.cli.noting import note

    await _check_dead(queue, job_ids)
    ids = list(dict.fromkeys(job_ids))
    for job_id in ids:
        await note(queue, "retry", job_id)
    letters: list[bytes] = []
    with_others: set[str] = set()
    while len(letters) < len(ids):
        page = ids[len(letters) : len(letters) + _BATCH]
        was, others = split_reply(await queue.store.ask_once("replay", "d", *page))
        letters += was
        with_others.update(other.decode(errors="surrogateescape") for other in others)
    was_of = dict(zip(ids, letters, strict=True))
    held = [job for job, letter in was_of.items() if letter.startswith(b"u")]
    replayed = sum(letter == b"d" or job in with_others for job, letter in was_of.items())
    if held:
        raise Failure(
            f"{replayed} replayed; not {', '.join(held)}: another job holds the unique "
            "key of each. Wait for it, cancel it, or free its key."
        )
    return replayed


async def _count(
    queue: Queue, task: str | None, error: str | None, before: datetime | None = None
) -> int:
    from aiojobs_redis._redis.inspector import Inspector
    from aiojobs_redis.duration import instant_ms
    from aiojobs_redis.job import JobState
    from aiojobs_redis.operating import matches

    if task is None and error is None and before is None:
        return (await queue.counts()).dead
    count = 0
    last = None if before is None else instant_ms("--before", before) - 1
    # A page of dead_letters would read all that are before it again.
    async for _, ids in Inspector(queue.store).walk(JobState.DEAD, last=last):
        count += sum(matches(info, task, error) for info in await queue.infos(ids))
    return count
