"""What `workers` asks of workers: to be quiet, to go on, to stop.

A worker of several queues is asked once, through the first of them in which it is seen.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.completion import complete_worker
from aiojobs_redis.cli.groups import Changing
from aiojobs_redis.cli.options import examples, queue_of_app, yes_option
from aiojobs_redis.cli.texts import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiojobs_redis import Queue

__all__ = ["quiet", "resume", "stop"]


def _which(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the ids of workers, or all of them."""
    ids = click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=complete_worker)
    every = click.option("--all", "every", is_flag=True, help="All that are seen now.")
    return ids(every(command))


@click.command(
    "quiet",
    cls=Changing,
    epilog=examples("workers quiet app:queue host-4711-8c6f21d0", "workers quiet app:queue --all"),
)
@queue_of_app
@_which
def quiet(app: str, queue_name: str | None, ids: tuple[str, ...], every: bool) -> None:
    """Let workers claim no more jobs and go on with those that they have, as TSTP does."""
    _ask(app, queue_name, ids, "quiet", every=every)


@click.command(
    "resume",
    cls=Changing,
    epilog=examples("workers resume app:queue host-4711-8c6f21d0"),
)
@queue_of_app
@_which
def resume(app: str, queue_name: str | None, ids: tuple[str, ...], every: bool) -> None:
    """Let workers that are quiet claim jobs again."""
    _ask(app, queue_name, ids, "resume", every=every)


@click.command(
    "stop",
    cls=Changing,
    epilog=examples("workers stop app:queue host-4711-8c6f21d0", "workers stop app:queue --all"),
)
@queue_of_app
@_which
@yes_option
def stop(app: str, queue_name: str | None, ids: tuple[str, ...], every: bool, yes: bool) -> None:
    """End workers as TERM does; a process of `worker --processes` is not started again."""
    _ask(app, queue_name, ids, "stop", every=every, sure=yes or not every)


def _ask(
    app: str,
    queue_name: str | None,
    ids: Sequence[str],
    word: str,
    *,
    every: bool,
    sure: bool = True,
) -> None:
    """Ask workers for it.

    Raises:
        UsageError: Neither ids nor all are named, or both.
        Failure: One of them is not there; none was asked then.
    """
    from aiojobs_redis.cli.app import load_queue, load_queues, use
    from aiojobs_redis.cli.asking import ask
    from aiojobs_redis.cli.exits import Failure
    from aiojobs_redis.cli.noting import act
    from aiojobs_redis.cli.texts import number_of

    if bool(ids) is every:
        raise click.UsageError("Name the workers by their ids, or all of them with --all.")
    queues = load_queues(app) if queue_name is None else [load_queue(app, queue_name)]
    found: dict[str, Queue] = {}
    for queue in queues:
        for info in use(queue, lambda queue: queue.workers()):
            found.setdefault(info.id, queue)
    names = ", ".join(queue.name for queue in queues)
    missing = [id for id in ids if id not in found]
    if missing or not found:
        raise Failure(_nobody(app, names, missing, list(found)))
    wanted = list(found) if every else list(dict.fromkeys(ids))
    if not sure:
        ask(f"Stop {number_of(len(wanted), 'worker')} of {names}?")

    async def work(queue: Queue) -> None:
        for id in wanted:
            if found[id] is queue:
                asked = partial(getattr(queue, f"{word}_worker"), id)
                await act(queue, f"{word}_worker", worker=id).run(asked)
                click.echo(f"worker {printable(id)} is asked to {_SAID[word]}")

    for queue in queues:
        if any(found[id] is queue for id in wanted):
            use(queue, work)


_SAID = {"quiet": "be quiet", "resume": "claim jobs again", "stop": "stop"}


def _nobody(app: str, names: str, missing: Sequence[str], known: Sequence[str]) -> str:
    import difflib

    what = f"no worker {missing[0]!r} of {names}" if missing else f"no worker of {names}"
    near = difflib.get_close_matches(missing[0], known, 1) if missing else []
    hint = f"Did you mean {near[0]}?" if near else f"See 'aiojobs-redis workers {app}'."
    return f"{what} was seen in the last minute. Nobody was asked for anything. {hint}"
