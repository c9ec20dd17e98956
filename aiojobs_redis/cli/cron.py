"""`cron`: lists schedules, and tells when an expression or a schedule ticks next."""

from __future__ import annotations

import difflib
import itertools
import re
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from aiojobs_redis.cli.cron_changes import pause, remove, resume, run
from aiojobs_redis.cli.groups import Group
from aiojobs_redis.cli.numbers import Whole
from aiojobs_redis.cli.options import examples, json_option, queue_of_app

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from aiojobs_redis import Queue
    from aiojobs_redis.schedule import Schedule

__all__ = ["command"]

_OF_APP = re.compile(r"(?P<app>[\w.]+:[\w.]+):(?P<id>.+)")


@click.group(
    "cron", cls=Group, epilog=examples("cron ls app:queue", "cron next '30 2 * * *' --tz UTC")
)
def command() -> None:
    """Look at schedules, run, pause and remove them."""


for _change in (run, pause, resume, remove):
    command.add_command(_change)


@command.command("ls", epilog=examples("cron ls app:queue", "cron ls app:queue --json"))
@queue_of_app
@json_option
def ls(app: str, queue_name: str | None, as_json: bool) -> None:
    """List the schedules in Redis; those of the code are there once a worker has run."""
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.render import show_rows

    queue = load_queue(app, queue_name)
    found = use(queue, lambda queue: queue.schedules())
    show_rows(
        [asdict(info) for info in found],
        ["id", "expression", "tz", "task", "enabled", "next_at", "last_at", "runs", "missed"],
        as_json=as_json,
        empty=f"Queue {queue.name} has no schedules. A worker declares those of the code.",
    )


@command.command(
    "next",
    epilog=examples(
        "cron next '*/15 9-17 * * MON-FRI' --tz Europe/Berlin",
        "cron next '*/10 * * * * *' -n 3",
        "cron next app:queue:nightly",
    ),
)
@click.argument("what", metavar="EXPRESSION|APP:ID")
@click.option("--tz", help="IANA zone of EXPRESSION, UTC by default.")
@click.option("-n", "count", type=Whole(1, 10_000), default=5, show_default=True)
@json_option
def next_ticks(what: str, tz: str | None, count: int, as_json: bool) -> None:
    """Show the next ticks of an expression, or of a schedule of an application."""
    from aiojobs_redis.cli.render import json_text

    named = _OF_APP.fullmatch(what)
    if named and tz:
        raise click.UsageError("--tz goes with an expression: a schedule has a zone of its own.")
    ticks = _of_schedule(named["app"], named["id"]) if named else _of_expression(what, tz or "UTC")
    for tick in itertools.islice(ticks, count):
        click.echo(json_text({"at": tick}) if as_json else f"{tick.isoformat(' ')} {tick:%a}")


def _of_expression(expression: str, tz: str) -> Iterator[datetime]:
    from datetime import UTC, datetime

    from aiojobs_redis import Cron

    cron = Cron(expression, tz)
    tick = datetime.now(UTC)
    while True:
        tick = cron.next_after(tick)
        yield tick


def _of_schedule(app: str, schedule_id: str) -> Iterator[datetime]:
    from zoneinfo import ZoneInfo

    from aiojobs_redis.duration import from_ms

    schedule, anchor, runs, tick = _find(app, schedule_id)
    while tick is not None:
        yield from_ms(tick).astimezone(ZoneInfo(schedule.tz))
        runs += 1
        tick = schedule.next_tick(tick, anchor, runs)


def _find(app: str, schedule_id: str) -> tuple[Schedule, int, int, int | None]:
    """Return a schedule of the code, or else of Redis, with its anchor, runs and next tick."""
    from aiojobs_redis.cli.app import load_queues, use
    from aiojobs_redis.cli.exits import Failure

    queues = load_queues(app)
    for declared in (item for queue in queues for item in queue.registry.declared):
        if declared.id == schedule_id:
            now = int(time.time() * 1000)
            return declared.schedule, now, 0, declared.schedule.next_tick(now, now, 0)
    for queue in queues:
        stored = use(queue, lambda queue: queue.planner().get(schedule_id))
        if stored is not None:
            return stored.schedule, stored.anchor, stored.runs, stored.tick
    raise Failure(_unknown(queues, schedule_id))


def _unknown(queues: Sequence[Queue], schedule_id: str) -> str:
    known = [item.id for queue in queues for item in queue.registry.declared]
    near = difflib.get_close_matches(schedule_id, known, 1)
    hint = f"Did you mean {near[0]}?" if near else "See 'aiojobs-redis cron ls'."
    names = ", ".join(queue.name for queue in queues)
    return (
        f"there is no schedule {schedule_id!r} of {names}, neither in the code "
        f"({', '.join(known) or 'none'}) nor in Redis. {hint}"
    )
