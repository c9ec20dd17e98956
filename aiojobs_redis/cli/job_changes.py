"""What `job` does to jobs: cancel, retry, promote, remove.

Each of the ids is tried; those for which it was not possible are named, and make the exit code 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.options import examples, queue_of_app, yes_option

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiojobs_redis import Job

__all__ = ["cancel", "promote", "remove", "retry"]

_ids = click.argument("job_ids", metavar="ID...", nargs=-1, required=True)


@click.command(
    "cancel",
    epilog=examples("job cancel app:queue 0198c3f2", "job cancel app:queue 0198c3f2 -r 'wrong'"),
)
@queue_of_app
@_ids
@click.option("-r", "--reason", help="Stored with the job, and told to its task.")
def cancel(app: str, queue_name: str | None, job_ids: Sequence[str], reason: str | None) -> None:
    """Cancel jobs: one that waits never runs, one that runs is interrupted."""
    from aiojobs_redis.errors import JobStateError

    async def change(job: Job[Any]) -> None:
        if not await job.cancel(reason):
            raise JobStateError(f"job {job.id} has finished, or there is no record of it")

    _each(app, queue_name, job_ids, change, "cancelled")


@click.command("retry", epilog=examples("job retry app:queue 0198c3f2"))
@queue_of_app
@_ids
def retry(app: str, queue_name: str | None, job_ids: Sequence[str]) -> None:
    """Run finished jobs again: same id, fresh attempts, history kept."""
    _each(app, queue_name, job_ids, lambda job: job.retry(), "queued again")


@click.command("promote", epilog=examples("job promote app:queue 0198c3f2"))
@queue_of_app
@_ids
def promote(app: str, queue_name: str | None, job_ids: Sequence[str]) -> None:
    """Let scheduled or retrying jobs run now."""
    _each(app, queue_name, job_ids, lambda job: job.promote(), "promoted")


@click.command(
    "remove", epilog=examples("job remove app:queue 0198c3f2", "job remove app:queue a b --yes")
)
@queue_of_app
@_ids
@yes_option
def remove(app: str, queue_name: str | None, job_ids: Sequence[str], yes: bool) -> None:
    """Forget jobs that wait or have finished, with their results and errors."""
    if not yes:
        click.confirm(
            f"Remove {len(set(job_ids))} jobs with all that is known of them?", abort=True
        )
    _each(app, queue_name, job_ids, lambda job: job.remove(), "removed")


def _each(
    app: str,
    queue_name: str | None,
    job_ids: Sequence[str],
    change: Callable[[Job[Any]], Awaitable[None]],
    done: str,
) -> None:
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.exits import Failure
    from aiojobs_redis.errors import JobNotFound, JobStateError

    queue, ids = load_queue(app, queue_name), dict.fromkeys(job_ids)

    async def work(queue: Any) -> list[str]:
        wrong = []
        for job_id in ids:
            try:
                await change(queue.job(job_id))
            except (JobNotFound, JobStateError) as error:
                wrong.append(str(error))
        return wrong

    wrong = use(queue, work)
    click.echo(f"{len(ids) - len(wrong)} {done}")
    if wrong:
        raise Failure("\n".join(wrong))
