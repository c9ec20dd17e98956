"""The worker of one process: made from the options, run until its end."""

from __future__ import annotations

import asyncio
import importlib
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from aiojobs_redis import Worker
from aiojobs_redis.cli.app import load_queues, load_worker, no_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from aiojobs_redis import Queue
    from aiojobs_redis.cli.parent import Parent

__all__ = ["Plan", "make_worker", "serve"]


class Plan(NamedTuple):
    """What the options say of a worker.

    Attributes:
        app: APP.
        concurrency: Jobs at once.
        concurrency_given: Whether that was asked for, and not left to a default.
        executor_processes: Processes for tasks that run in one; None for one a CPU.
        grace: Seconds that running jobs get after a signal.
        grace_given: Whether that was asked for.
        queues: Names of queues with their weights; none for all.
    """

    app: str
    concurrency: int
    concurrency_given: bool
    executor_processes: int | None
    grace: float
    grace_given: bool
    queues: Sequence[str]


def make_worker(plan: Plan) -> Worker:
    """Return the worker of an application, or one of its queues.

    Raises:
        Misuse: APP cannot be loaded.
        UsageError: An option does not fit it.
        ConfigInvalid: A number is out of range.
    """
    worker = load_worker(plan.app)
    if worker is None:
        queues, weights = _pick(plan.app, load_queues(plan.app), plan.queues)
        worker = Worker(
            queues,
            concurrency=plan.concurrency,
            weights=weights,
            grace=plan.grace,
            processes=plan.executor_processes,
        )
    else:
        _check_worker(plan)
        if plan.concurrency_given:
            worker.concurrency = plan.concurrency
    worker.as_process(plan.app, grace=plan.grace if plan.grace_given else None)
    return worker


def serve(
    worker: Worker,
    parent: Parent | None,
    *,
    burst: bool,
    heartbeat_file: str | None,
    metrics: tuple[str, int | None],
) -> None:
    """Run a worker until a signal, or until nothing is left to do.

    Args:
        worker: The worker.
        parent: What is told that it is ready; None for nobody.
        burst: Whether it ends when nothing is left to do.
        heartbeat_file: What it touches every second; None for nothing.
        metrics: Address and port of its metrics; None for the port serves none.

    Raises:
        Misuse: The file cannot be written; nothing was run.
    """
    from aiojobs_redis.cli.ending import hold_signals, let_signals_come
    from aiojobs_redis.cli.last_exit import leave_threads_behind
    from aiojobs_redis.cli.pulse import check_writable

    if heartbeat_file is not None:
        check_writable(heartbeat_file)
    if parent is not None:
        parent.grace = worker.grace
        if parent.held:
            worker.pause()
    try:
        with asyncio.Runner(loop_factory=_fast_loop()) as runner:
            hold_signals()
            runner.run(_run(worker, _works(worker, parent, heartbeat_file), metrics, burst=burst))
    finally:
        let_signals_come()
        leave_threads_behind()


async def _run(
    worker: Worker,
    works: Mapping[str, Coroutine[Any, Any, None]],
    metrics: tuple[str, int | None],
    *,
    burst: bool,
) -> None:
    from aiojobs_redis._redis.open_links import abort_open_links
    from aiojobs_redis.cli.beside import beside
    from aiojobs_redis.cli.ending import let_signals_come
    from aiojobs_redis.cli.last_exit import leave_executor_behind, leave_tasks_behind
    from aiojobs_redis.cli.metrics import metrics_served

    try:
        async with beside(works):
            let_signals_come()
            async with metrics_served(worker, worker.queues, *metrics):
                await worker.run(burst=burst)
    finally:
        for queue in worker.queues:
            await queue.close()
        await leave_tasks_behind()
        abort_open_links()
        await leave_executor_behind()


def _works(
    worker: Worker, parent: Parent | None, heartbeat_file: str | None
) -> dict[str, Coroutine[Any, Any, None]]:
    """Return what is done beside the worker, by what it is called in the log."""
    from aiojobs_redis.cli.beside import when_ready
    from aiojobs_redis.cli.pulse import beat

    works: dict[str, Coroutine[Any, Any, None]] = {}
    if heartbeat_file is not None:
        works["heartbeat file"] = when_ready(worker, partial(beat, heartbeat_file))
    if parent is not None:
        works["word to the supervisor"] = when_ready(worker, partial(_tell_ready, parent))
        works["second word to the supervisor"] = _tell_told_to_stop(worker, parent)
    return works


async def _tell_ready(parent: Parent) -> None:
    parent.tell_ready()


async def _tell_told_to_stop(worker: Worker, parent: Parent) -> None:
    await worker.told_to_stop()
    parent.tell_told_to_stop()


def _check_worker(plan: Plan) -> None:
    for option, given in (
        ("--queue", plan.queues),
        ("--executor-processes", plan.executor_processes),
    ):
        if given:
            raise click.UsageError(
                f"{plan.app} is a Worker, which decides that by itself: leave out {option}, or "
                "name the queues of the application as APP"
            )


def _pick(
    app: str, queues: Sequence[Queue], picks: Sequence[str]
) -> tuple[list[Queue], dict[str, float]]:
    """Return the chosen queues and their weights."""
    by_name = {queue.name: queue for queue in queues}
    weights: dict[str, float] = {}
    for pick in picks:
        name, weight = pick, "1"
        # A name may hold colons itself.
        if pick not in by_name and ":" in pick:
            name, _, weight = pick.rpartition(":")
        if name not in by_name:
            raise click.UsageError(no_queue(app, pick, by_name))
        try:
            weights[name] = float(weight)
        except ValueError:
            raise click.UsageError(
                f"the weight in {pick!r} is not a number, as in high:3"
            ) from None
    chosen = [by_name[name] for name in weights] or list(queues)
    return chosen, weights


def _fast_loop() -> Callable[[], Any] | None:
    for name in ("uvloop", "winloop"):
        try:
            return importlib.import_module(name).new_event_loop  # type: ignore[no-any-return]
        except ImportError:
            continue
    return None
