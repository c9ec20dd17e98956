"""`worker`: runs the jobs of an application until a signal, or until nothing is left to do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.groups import Changing
from aiojobs_redis.cli.numbers import Seconds, Whole
from aiojobs_redis.cli.options import app_argument, examples, json_option
from aiojobs_redis.cli.settings import setting
from aiojobs_redis.version import VERSION

if TYPE_CHECKING:
    from aiojobs_redis import Worker
    from aiojobs_redis.cli.parent import Parent
    from aiojobs_redis.cli.serving import Plan

__all__ = ["command"]

_log = logging.getLogger("aiojobs_redis.cli")

_MODES = frozenset(
    {"processes", "reload", "check", "dry_run", "as_json", "heartbeat_file", "metrics_port"}
)
"""Options of the supervisor, which the processes do not get."""


@click.command(
    "worker",
    cls=Changing,
    unless=("check", "dry_run"),
    epilog=examples(
        "worker app:queue",
        "worker app:queue -c 50 --grace 60",
        "worker app:queue --processes 4",
        "worker app:queue --burst",
        "worker app:queues -q high:3 -q low:1",
        "worker app:worker --reload",
        "worker app:queue --check",
        "worker app:queue --log-format json --metrics-port 9187",
    )
    + (
        "\n\n\b\nSignals:\n"
        "  TERM, INT  finish running jobs within the grace, hand the others back, end\n"
        "  again      cancel running jobs and hand them back at once, no attempt spent\n"
        "  TSTP       start no more jobs; CONT goes on\n"
        "  TTIN       log what is running, with stacks\n\n"
        "With --processes or --reload they go to a parent, which passes them on; the third TERM or "
        "INT kills what has not ended by then.\n\n"
        "\b\nExit codes:\n"
        "  0  stopped by a signal or an operator, nothing left to do (--burst), alive (--check)\n"
        "  1  the lifespan failed, a task does not end, a process died again and again, or\n"
        "     there is no sign of life (--check)\n"
        "  2  APP or an option is wrong\n"
        "  3  Redis refused this client; while it cannot be reached the worker waits"
    ),
)
@app_argument
@setting("concurrency", "-c", "--concurrency", type=Whole(1, 100_000))
@setting("processes", "--processes", type=Whole(1, 1000))
@setting("executor_processes", "--executor-processes", type=Whole(1, 100_000))
@click.option("--burst", is_flag=True, help="End when nothing is queued, running or due.")
@setting("grace", "--grace", type=Seconds(0))
@setting("queues", "-q", "--queue", metavar="NAME[:WEIGHT]", multiple=True)
@click.option("--reload", is_flag=True, help="Start again when a *.py file here changes.")
@click.option("--check", is_flag=True, help="Start nothing: exit 0 if the worker here is alive.")
@click.option("--dry-run", is_flag=True, help="Start nothing: show what would be run.")
@setting("heartbeat_file", "--heartbeat-file", metavar="PATH")
@json_option
@setting(
    "log_level",
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
)
@setting("log_format", "--log-format", type=click.Choice(["pretty", "json"]))
@setting("metrics_port", "--metrics-port", type=Whole(0, 65_535))
@setting("metrics_host", "--metrics-host")
@click.pass_obj
def command(
    parent: Parent | None,
    app: str,
    concurrency: int,
    processes: int,
    executor_processes: int | None,
    burst: bool,
    grace: float,
    queues: tuple[str, ...],
    reload: bool,
    check: bool,
    dry_run: bool,
    heartbeat_file: str | None,
    as_json: bool,
    log_level: str,
    log_format: str,
    metrics_port: int | None,
    metrics_host: str,
) -> None:
    """Run the jobs of APP, which is module:queue, or module:worker for a Worker that it made."""
    from aiojobs_redis.cli.logs import configure_logging
    from aiojobs_redis.cli.serving import Plan

    if as_json and not dry_run:
        raise click.UsageError("--json goes with --dry-run.")
    plan = Plan(
        app,
        concurrency,
        _is_given("concurrency"),
        executor_processes,
        grace,
        _is_given("grace"),
        queues,
    )
    if check:
        click.echo(_check(plan, heartbeat_file, processes))
        return
    if dry_run:
        extra: dict[str, Any] = {
            "processes": processes,
            "log_level": log_level,
            "log_format": log_format,
        }
        extra |= {"heartbeat_file": heartbeat_file}
        extra |= {"metrics_host": metrics_host, "metrics_port": metrics_port}
        _show(plan, extra, as_json=as_json)
        return
    configure_logging(log_level, log_format)
    if parent is None and (processes > 1 or reload):
        from aiojobs_redis.cli.supervising import supervise_worker

        arguments = (app, *_arguments(click.get_current_context()))
        supervise_worker(
            arguments,
            processes=processes,
            grace=grace,
            burst=burst,
            reload=reload,
            heartbeat_file=heartbeat_file,
            metrics_port=metrics_port,
        )
        return
    _serve(
        plan,
        parent,
        burst=burst,
        heartbeat_file=heartbeat_file,
        metrics=(metrics_host, metrics_port),
    )


def _serve(
    plan: Plan,
    parent: Parent | None,
    *,
    burst: bool,
    heartbeat_file: str | None,
    metrics: tuple[str, int | None],
) -> None:
    from aiojobs_redis.cli.ending import ends_with_0
    from aiojobs_redis.cli.serving import make_worker, serve

    with ends_with_0():
        worker = make_worker(plan)
        _log_start(plan, worker)
        serve(worker, parent, burst=burst, heartbeat_file=heartbeat_file, metrics=metrics)


def _log_start(plan: Plan, worker: Worker) -> None:
    record = _record(plan, worker)
    _log.info(
        "aiojobs-redis %s: app %s, queues %s, %d jobs at once, Redis %s, tasks %d, schedules %d",
        VERSION,
        plan.app,
        ", ".join(record["queues"]),
        worker.concurrency,
        ", ".join(record["redis"]),
        len(record["tasks"]),
        len(record["schedules"]),
    )


def _record(plan: Plan, worker: Worker) -> dict[str, Any]:
    queues = worker.queues
    return {
        "app": plan.app,
        "queues": [queue.name for queue in queues],
        "weights": {queue.name: worker.weight_of(queue.name) for queue in queues},
        "redis": sorted({queue.store.server.label for queue in queues}),
        "concurrency": worker.concurrency,
        "executor_processes": worker.processes,
        "grace": worker.grace,
        "tasks": [name for queue in queues for name in queue.tasks],
        "schedules": [each.id for queue in queues for each in queue.registry.declared],
    }


def _show(plan: Plan, extra: dict[str, Any], *, as_json: bool) -> None:
    from aiojobs_redis.cli.render import show_fields
    from aiojobs_redis.cli.serving import make_worker

    worker = make_worker(plan)
    worker.check()
    show_fields(_record(plan, worker) | extra, as_json=as_json)


def _check(plan: Plan, heartbeat_file: str | None, processes: int) -> str:
    import asyncio

    from aiojobs_redis.cli.pulse import check_file, check_registry
    from aiojobs_redis.cli.serving import make_worker

    if heartbeat_file is not None:
        return check_file(heartbeat_file, processes)
    return asyncio.run(check_registry(make_worker(plan).queues, processes))


def _is_given(name: str) -> bool:
    """Whether somebody asked for it here and now: a project's default does not outdo the code."""
    source = click.get_current_context().get_parameter_source(name)
    return source in {
        click.core.ParameterSource.COMMANDLINE,
        click.core.ParameterSource.ENVIRONMENT,
    }


def _arguments(ctx: click.Context) -> list[str]:
    """Return the options of this command line that each process gets; the rest it inherits."""
    words: list[str] = []
    for param in ctx.command.params:
        name = param.name or ""
        if not isinstance(param, click.Option) or name in _MODES:
            continue
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        value, flag = ctx.params[name], param.opts[-1]
        if param.is_flag:
            words += [flag] * bool(value)
        else:
            for each in value if param.multiple else [value]:
                words += [flag, str(each)]
    return words
