"""`check-history`: judges a recorded history and names the lines that prove what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aiojobs_redis.cli.exits import ExitCode, Misuse
from aiojobs_redis.cli.numbers import Whole
from aiojobs_redis.cli.options import examples, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis.history.report import HistoryReport, HistoryViolation

__all__ = ["command"]


@click.command(
    "check-history",
    epilog=examples(
        "check-history history/",
        "check-history --drained producer.jsonl worker-1.jsonl worker-2.jsonl",
        "check-history history/ --json | jq .violations[].rule",
    )
    + "\n\n\b\nExit codes:\n  0  no violation\n  1  at least one violation\n"
    "  2  a file cannot be read or is no history, or no line is about a job",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--drained",
    is_flag=True,
    help="All work was done at the end: an acknowledged job that has not ended is lost.",
)
@click.option(
    "--limit",
    type=Whole(1),
    default=20,
    show_default=True,
    help="Violations of each rule to show at most; --json has all of them.",
)
@json_option
def command(files: Sequence[str], drained: bool, limit: int, as_json: bool) -> None:
    """Check a recorded history, from a FILE or several, or from folders of them.

    Nothing lost, nothing run without a cause, no two leases at once, no stale write accepted, one
    end a job, limits, times and order kept: docs/history.md has the rules and says how to record.
    """
    from aiojobs_redis.cli.render import json_text
    from aiojobs_redis.history.checker import check_history

    report = check_history(*files, drained=drained)
    if as_json:
        click.echo(json_text(report))
    else:
        _show(report, limit)
    if not report.jobs:
        raise Misuse(
            "nothing was judged: no line of this history is about a job. Begin to record before "
            "jobs are enqueued and workers start, in each of their processes."
        )
    if not report.ok:
        raise click.exceptions.Exit(ExitCode.FAILED)


def _show(report: HistoryReport, limit: int) -> None:
    from aiojobs_redis.cli.render import show_fields, text_of

    causes = {f"handed out again: {cause}": n for cause, n in report.causes.items()}
    show_fields({**dict(report.totals()), **causes}, as_json=False)
    for text in report.not_judged:
        click.echo(f"not judged: {text_of(text)}", err=True)
    for name in report.torn:
        click.echo(f"{text_of(name)}: the last line is torn and does not count", err=True)
    by_rule: dict[str, list[HistoryViolation]] = {}
    for violation in report.violations:
        by_rule.setdefault(violation.rule, []).append(violation)
    for rule, found in by_rule.items():
        for violation in found[:limit]:
            click.echo(_line(violation))
        if len(found) > limit:
            click.echo(f"{rule}: {len(found) - limit} more", err=True)
    number = len(report.violations)
    if report.jobs:
        click.echo(f"{number} violations" if number else "no violation", err=True)


def _line(violation: HistoryViolation) -> str:
    from aiojobs_redis.cli.render import styled, text_of

    where = ", ".join(violation.lines)
    text = f"job {violation.job} of queue {violation.queue}: {violation.message} ({where})"
    return f"{styled(violation.rule, fg='red')} {text_of(text)}"
