"""What `job` does to jobs: cancel, retry, promote, remove.

Each of the ids is tried; those for which it was not possible are named, and make the exit code 1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.completion import complete_job
from aiojobs_redis.cli.groups import Changing
from aiojobs_redis.cli.options import examples, queue_of_app, yes_option

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiojobs_redis import Job, Queue

__all__ = ["cancel", "promote", "remove", "retry"]

_ids = click.argument(
    "job_ids", metavar="ID...", nargs=-1, required=True, shell_complete=complete_job
)


@click.command(
    "cancel",
    cls=Changing,
    epilog=examples("job cancel app:queue 0198c3f2", "job cancel app:queue 0198c3f2 -r 'wrong'"),
)
@queue_of_app
@_ids
@click.option("-r", "--reason", help="Stored with the job, and told to its task.")
def cancel(app: str, queue_name: str | None, job_ids: Sequence[str], reason: str | None) -> None:
    """Cancel jobs: one that waits never runs, one that runs is interrupted."""
    from aiojobs_redis.errors import JobNotFound, JobStateError

    async def change(job: Job[Any]) -> None:
        if await job.cancel(reason):
            return
        state = await job.state()
        if state is None:
            raise JobNotFound(f"there is no record of job {job.id} in queue {job.queue.name}")
        raise JobStateError(f"job {job.id} has ended: it is {state}. Nothing was changed")

    _each(app, queue_name, job_ids, change, "cancelled", "cancel", reason=reason)


@click.command("retry", cls=Changing, epilog=examples("job retry app:queue 0198c3f2"))
@queue_of_app
@_ids
def retry(app: str, queue_name: str | None, job_ids: Sequence[str]) -> None:
    """Run finished jobs again: same id, fresh attempts, history kept."""
    _each(app, queue_name, job_ids, lambda job: job.retry(), "queued again", "retry")


@click.command("promote", cls=Changing, epilog=examples("job promote app:queue 0198c3f2"))
@queue_of_app
@_ids
def promote(app: str, queue_name: str | None, job_ids: Sequence[str]) -> None:
    """Let scheduled or retrying jobs run now."""
    _each(app, queue_name, job_ids, lambda job: job.promote(), "promoted", "promote")


@click.command(
    "remove",
    cls=Changing,
    epilog=examples("job remove app:queue 0198c3f2", "job remove app:queue a b --yes"),
)
@queue_of_app
@_ids
@yes_option
def remove(app: str, queue_name: str | None, job_ids: Sequence[str], yes: bool) -> None:
    """Forget jobs that wait or have finished, with their results and errors."""
    from aiojobs_redis.cli.asking import ask
    from aiojobs_redis.cli.texts import number_of

    if not yes:
        ask(f"Remove {number_of(len(set(job_ids)), 'job')}, with result, errors and log?")
    _each(app, queue_name, job_ids, lambda job: job.remove(), "removed", "remove")


def _each(
    app: str,
    queue_name: str | None,
    job_ids: Sequence[str],
    change: Callable[[Job[Any]], Awaitable[None]],
    done: str,
    action: str,
    **details: Any,
) -> None:
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.exits import Failure
    from aiojobs_redis.cli.noting import act
    from aiojobs_redis.errors import JobNotFound, JobStateError

    queue, ids = load_queue(app, queue_name), dict.fromkeys(job_ids)

    changed, wrong = 0, []

    async def work(queue: Queue) -> None:
        nonlocal changed
        for job_id in ids:
            try:
                await act(queue, action, job_id, **details).run(partial(change, queue.job(job_id)))
                changed += 1
            except (JobNotFound, JobStateError) as error:
                wrong.append(str(error))

    try:
        use(queue, work)
    finally:
        # Also where Redis goes away in the middle: what was done is done.
        click.echo(f"{changed} {done}")
    if wrong:
        raise Failure("\n".join(wrong))
