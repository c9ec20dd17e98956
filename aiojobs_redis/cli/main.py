"""The entry point `aiojobs-redis`: what commands there are, and how they end."""

from __future__ import annotations

import click

from aiojobs_redis.cli.exits import ExitCode
from aiojobs_redis.cli.groups import LazyGroup
from aiojobs_redis.cli.options import examples
from aiojobs_redis.version import VERSION

__all__ = ["cli", "main"]

_COMMANDS = {
    "worker": "Run the jobs of an application.",
    "dev": "Run a worker that follows the code, and the dashboard.",
    "init": "Write a small application to begin with.",
    "demo": "See a real queue work, on a server of its own.",
    "enqueue": "Add a job, and wait for its result if asked to.",
    "queue": "Look at queues, pause, empty and delete them.",
    "job": "Look at jobs, watch, cancel, retry, promote and remove them.",
    "dead": "Look at dead letters, replay and remove them.",
    "cron": "Look at schedules, run, pause and remove them.",
    "workers": "Show the workers and what they run, let them be quiet or stop.",
    "stats": "Show how many jobs are in each state, and the workers.",
    "top": "Watch queues, workers and running jobs.",
    "web": "Serve the dashboard and the HTTP API.",
    "doctor": "Check Redis, workers and queue; say how to mend what is wrong.",
    "config": "Show every setting, and where its value came from.",
    "check-history": "Check a recorded history against what the queue promises.",
}

cli: LazyGroup = LazyGroup(
    name="aiojobs-redis",
    modules=_COMMANDS,
    package="aiojobs_redis.cli",
    help=(
        "Run and operate job queues on Redis or Valkey.\n\n"
        "APP is module:queue, such as app:queue; the current directory is importable."
    ),
    epilog=examples(
        "demo",
        "worker app:queue --concurrency 20",
        "enqueue app:queue send_email ada@example.org subject=Hello --wait",
        "stats app:queue --json",
        "web app:queue",
        "doctor app:queue",
        "check-history history/",
    )
    + "\n\n\b\nExit codes:\n"
    + "\n".join(f"  {code:d}  {code.text}" for code in ExitCode),
    params=[
        click.Option(
            ["--parent"], type=int, hidden=True, help="Descriptor of the line to a supervisor."
        ),
        click.Option(["--held"], is_flag=True, hidden=True, help="Claim no jobs until CONT."),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
cli = click.version_option(VERSION, prog_name="aiojobs-redis")(cli)


def main() -> None:
    """Run the command line; ends the process with an exit code."""
    cli(prog_name="aiojobs-redis")
