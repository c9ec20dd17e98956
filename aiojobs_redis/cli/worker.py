"""`worker`: runs the jobs of an application until a signal, or until nothing is left to do."""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.options import examples
from aiojobs_redis.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiojobs_redis import Queue, Worker

__all__ = ["command"]

_log = logging.getLogger("aiojobs_redis.cli")


@click.command(
    "worker",
    epilog=examples(
        "worker app:queue",
        "worker app:queue -c 50 --grace 60",
        "worker app:queue --burst",
        "worker app:queues -q high:3 -q low:1",
        "worker app:worker",
    )
    + (
        "\n\n\b\nSignals:\n"
        "  TERM, INT  finish running jobs within the grace, hand the others back, end\n"
        "  again      cancel running jobs and hand them back at once, no attempt spent\n"
        "  TSTP       start no more jobs; CONT goes on\n"
        "  TTIN       log what is running, with stacks\n\n"
        "\b\nExit codes:\n"
        "  0  stopped by a signal, or nothing left to do (--burst)\n"
        "  1  the lifespan failed, or a task does not end\n"
        "  2  APP or an option is wrong\n"
        "  3  Redis refused this client; while it cannot be reached the worker waits"
    ),
)
@click.argument("app")
@click.option(
    "-c",
    "--concurrency",
    type=click.IntRange(1, 100_000),
    default=10,
    show_default=True,
    help="Jobs at once.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 100_000),
    help="Processes for tasks with executor='process'; one a CPU by default.",
)
@click.option("--burst", is_flag=True, help="End when nothing is queued, running or due.")
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=25.0,
    show_default=True,
    help="Seconds that running jobs get after a signal.",
)
@click.option(
    "-q",
    "--queue",
    "picks",
    metavar="NAME[:WEIGHT]",
    multiple=True,
    help="One of the queues of APP and its share of the slots; all of them by default.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
    show_default=True,
)
@click.option(
    "--log-format",
    type=click.Choice(["pretty", "json"]),
    default="pretty",
    show_default=True,
)
def command(
    app: str,
    concurrency: int,
    processes: int | None,
    burst: bool,
    grace: float,
    picks: tuple[str, ...],
    log_level: str,
    log_format: str,
) -> None:
    """Run the jobs of APP, which is module:queue, or module:worker for a Worker that it made."""
    import asyncio

    from aiojobs_redis import Worker
    from aiojobs_redis.cli.app import load_queues, load_worker
    from aiojobs_redis.cli.last_exit import leave_threads_behind
    from aiojobs_redis.cli.logs import configure_logging

    configure_logging(log_level, log_format)
    worker = load_worker(app)
    if worker is None:
        queues, weights = _pick(load_queues(app), picks)
        worker = Worker(
            queues,
            concurrency=concurrency,
            weights=weights,
            grace=grace,
            processes=processes,
        )
    else:
        queues = _of_worker(worker, app, picks, processes)
        if _is_given("concurrency"):
            worker.concurrency = concurrency
    worker.as_process(app, grace=grace if _is_given("grace") else None)
    _log.info(
        "aiojobs-redis %s: app %s, queues %s, %d jobs at once, Redis %s, tasks %d, schedules %d",
        VERSION,
        app,
        ", ".join(queue.name for queue in queues),
        worker.concurrency,
        ", ".join(sorted({queue.store.server.label for queue in queues})),
        sum(len(queue.tasks) for queue in queues),
        sum(len(queue.registry.declared) for queue in queues),
    )
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(_serve(worker, queues, burst=burst))
    leave_threads_behind()


async def _serve(worker: Worker, queues: Sequence[Queue], *, burst: bool) -> None:
    from aiojobs_redis.cli.last_exit import leave_tasks_behind

    try:
        await worker.run(burst=burst)
    finally:
        for queue in queues:
            await queue.close()
    await leave_tasks_behind()


def _is_given(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source is not None and source is not click.core.ParameterSource.DEFAULT


def _of_worker(
    worker: Worker, app: str, picks: Sequence[str], processes: int | None
) -> list[Queue]:
    for option, given in (("--queue", picks), ("--processes", processes)):
        if given:
            raise click.UsageError(
                f"{app} is a Worker, which decides that by itself: leave out {option}, or name "
                "the queues of the application as APP"
            )
    return worker.queues


def _pick(queues: Sequence[Queue], picks: Sequence[str]) -> tuple[list[Queue], dict[str, float]]:
    """Return the chosen queues and their weights."""
    by_name = {queue.name: queue for queue in queues}
    weights: dict[str, float] = {}
    for pick in picks:
        name, weight = pick, "1"
        # A name may hold colons itself.
        if pick not in by_name:
            name, _, weight = pick.rpartition(":")
        if name not in by_name:
            raise click.UsageError(f"APP has no queue {pick!r}; it has {', '.join(by_name)}.")
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
