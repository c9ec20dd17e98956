"""`demo`: a real queue at work on real files, on a server of its own, checked at the end."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiojobs_redis.cli.exits import ExitCode
from aiojobs_redis.cli.options import examples

if TYPE_CHECKING:
    from aiojobs_redis.cli.demo_checks import Check
    from aiojobs_redis.cli.demo_files import Files
    from aiojobs_redis.cli.demo_run import Course

__all__ = ["command"]

_SHOWN = 5


@click.command("demo", epilog=examples("demo", "demo ~/photos"))
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def command(folder: Path | None) -> None:
    """See a real queue work, on a server of its own.

    One job for each file of FOLDER (by default for each *.py file of Python's standard library)
    finds its SHA-256, lines and bytes, small files first; some are delayed, a schedule ticks every
    two seconds, one task fails twice and one always. At the end every result is checked; the exit
    code is 0 only if all agree.
    """
    import asyncio

    from aiojobs_redis.cli.demo_files import find_files

    files = find_files(folder)
    if not asyncio.run(_demo(files)):
        raise click.exceptions.Exit(ExitCode.FAILED)


async def _demo(files: Files) -> bool:
    from aiojobs_redis import Queue
    from aiojobs_redis.cli.demo_checks import check_course
    from aiojobs_redis.cli.demo_run import CONCURRENCY, run_demo
    from aiojobs_redis.cli.demo_tasks import build_app
    from aiojobs_redis.cli.demo_view import make_view

    began = time.monotonic()
    async with Queue("demo", url="embedded://") as queue:
        count = len(files.sizes)
        click.echo(
            f"{count:,} files of {files.folder}, {CONCURRENCY} jobs at once, "
            f"server {queue.store.server.label}"
        )
        if files.unreadable:
            click.echo(f"{files.unreadable:,} files or folders cannot be read: left out")
        if files.left_out:
            click.echo(f"{files.left_out:,} further files are left out")
        app = build_app(queue)
        course = await run_demo(app, files, make_view(count + 2))
        checks = list(check_course(app, course))
    _report(course, checks)
    click.echo(f"  {'seconds':15} {time.monotonic() - began:.1f} in all")
    return not any(check.wrong for check in checks)


def _report(course: Course, checks: list[Check]) -> None:
    from aiojobs_redis.cli.render import styled, text_of

    at_once = [course.infos[item.job.id] for item in course.files if not item.delay]
    first = min((info.started_at for info in at_once if info.started_at), default=None)
    last = max((info.finished_at for info in at_once if info.finished_at), default=None)
    seconds = (last - first).total_seconds() if first and last else 0.0
    enqueued = len(course.files) / course.enqueue_seconds
    latency = statistics.quantiles(course.latencies, n=100)
    lines = [
        ("jobs", f"{len(course.infos) + len(course.tick_jobs) + len(course.latencies) + 1:,}"),
        (
            "throughput",
            f"{len(at_once) / max(seconds, 0.001):,.0f} jobs/s, enqueued at {enqueued:,.0f} jobs/s",
        ),
        (
            "pickup latency",
            f"p50 {latency[49] * 1000:.2f} ms, p99 {latency[98] * 1000:.2f} ms "
            f"({len(course.latencies)} jobs, one at a time)",
        ),
    ]
    lines += [(check.name, "differs, see below" if check.wrong else check.text) for check in checks]
    for name, text in lines:
        click.echo(f"  {name:15} {text_of(text)}")
    for check in checks:
        for line in check.wrong[:_SHOWN]:
            click.echo(styled(f"  {check.name}: {text_of(line)}", fg="red"), err=True)
        if len(check.wrong) > _SHOWN:
            click.echo(f"  {check.name}: and {len(check.wrong) - _SHOWN} more", err=True)
    passed = sum(not check.wrong for check in checks)
    colour = "green" if passed == len(checks) else "red"
    click.echo(f"  {'checks':15} " + styled(f"{passed} of {len(checks)} passed", fg=colour))
