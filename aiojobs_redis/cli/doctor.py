"""`doctor`: one line per check, with the fix of what is wrong."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from aiojobs_redis.cli.exits import ExitCode
from aiojobs_redis.cli.options import examples, json_option, queue_of_app

if TYPE_CHECKING:
    from aiojobs_redis import Queue
    from aiojobs_redis.cli.server_checks import Finding

__all__ = ["command"]

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


@click.command(
    "doctor",
    epilog=examples("doctor app:queue", "doctor app:queue --json | jq 'select(.status != \"ok\")'")
    + "\n\n\b\nExit codes:\n  0  no check failed (warnings may stand)\n  1  a check failed\n"
    "  3  Redis cannot be reached",
)
@queue_of_app
@json_option
def command(app: str, queue_name: str | None, as_json: bool) -> None:
    """Check Redis, the workers and the queue of APP.

    Server version, eviction policy, persistence and what it guarantees, latency, clocks, ACL
    rights, scripts, workers, pause, waiting and parked jobs, and whether records and indexes agree.
    """
    import asyncio

    from aiojobs_redis.cli.app import load_queue

    queue = load_queue(app, queue_name)
    failed = asyncio.run(_report(queue, app, as_json=as_json))
    if failed:
        raise click.exceptions.Exit(ExitCode.FAILED)


async def _report(queue: Queue, app: str, *, as_json: bool) -> int:
    from aiojobs_redis.cli.checks import examine
    from aiojobs_redis.cli.render import json_text
    from aiojobs_redis.cli.texts import number_of

    failed = 0
    try:
        async for finding in examine(queue, app):
            failed += finding.status == "failed"
            click.echo(json_text(asdict(finding)) if as_json else _line(finding))
    finally:
        await queue.close()
    if not as_json:
        click.echo(
            f"{number_of(failed, 'check')} failed" if failed else "no check failed", err=True
        )
    return failed


def _line(finding: Finding) -> str:
    from aiojobs_redis.cli.render import styled, text_of

    mark = styled(f"{finding.status:8}", fg=_COLOURS[finding.status])
    line = f"{mark} {finding.check}: {text_of(finding.message)}"
    return f"{line}. Fix: {text_of(finding.fix)}" if finding.fix else line
