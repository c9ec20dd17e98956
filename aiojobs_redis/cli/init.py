"""`init`: writes the application of the quickstart."""

from __future__ import annotations

from pathlib import Path

import click

from aiojobs_redis.cli.options import examples, yes_option

__all__ = ["TEMPLATE", "command"]

TEMPLATE = """\
from aiojobs_redis import Queue

# A Valkey server that starts with the first process and keeps its data in the folder "data".
# With a server of your own: Queue("hello", url="redis://localhost:6379/0").
queue = Queue("hello", url="embedded:///./data")


@queue.task
async def greet(name: str) -> str:
    return f"hello {name}"
"""


@click.command("init", epilog=examples("init", "init jobs.py --yes"))
@click.argument("file", default="app.py", type=click.Path(path_type=Path, dir_okay=False))
@yes_option
def command(file: Path, yes: bool) -> None:
    """Write a small application to FILE, app.py by default; asks before it overwrites one."""
    from aiojobs_redis.cli.asking import ask
    from aiojobs_redis.cli.exits import Misuse
    from aiojobs_redis.cli.texts import number_of

    if file.suffix != ".py" or not file.stem.isidentifier():
        raise Misuse(f"{file} cannot be imported: give a name such as app.py or jobs.py.")
    if file.exists() and not yes:
        ask(f"Overwrite {file} of {number_of(file.stat().st_size, 'byte')}?")
    try:
        file.write_text(TEMPLATE, encoding="utf-8")
    except OSError as error:
        raise Misuse(f"{file} cannot be written: {error.strerror}.") from error
    click.echo(f"wrote {file}. Next, each in a terminal of its own:")
    click.echo(f"  aiojobs-redis dev {file.stem}:queue")
    click.echo(f"  aiojobs-redis enqueue {file.stem}:queue greet Ada --wait")
