"""What a shell may complete: applications, queues, tasks, schedules, ids of jobs and workers.

A key that is pressed in a shell must neither print nor wait for long, so what fails or takes more
than two seconds completes nothing. Applications are found without running the files.
"""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import click

    from aiojobs_redis import Queue

__all__ = [
    "complete_app",
    "complete_dead",
    "complete_job",
    "complete_queue",
    "complete_schedule",
    "complete_task",
    "complete_worker",
]

P = ParamSpec("P")

_PATIENCE = 2.0
_MOST = 50
_FILES = 200
_LARGEST = 1_000_000
_STATES = ("running", "queued", "retrying", "scheduled", "blocked", "dead", "completed")


def _quiet(find: Callable[P, list[str]]) -> Callable[P, list[str]]:
    @functools.wraps(find)
    def attempt(*args: P.args, **kwargs: P.kwargs) -> list[str]:
        # An application may print, log, raise or exit when it is imported.
        with (
            open(os.devnull, "w", encoding="utf-8") as nowhere,  # noqa: PTH123 no path
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            try:
                return find(*args, **kwargs)
            except (Exception, SystemExit):
                return []

    return attempt


@_quiet
def complete_app(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the queues and workers that files of the current folder make at their top level."""
    import ast
    from pathlib import Path

    found: list[str] = []
    for path in sorted(Path().glob("*.py"))[:_FILES]:
        if path.stat().st_size > _LARGEST or not path.stem.isidentifier():
            continue
        text = path.read_text(encoding="utf-8")
        if "Queue" not in text and "Worker" not in text:
            continue
        with contextlib.suppress(SyntaxError):
            for node in ast.parse(text).body:
                if isinstance(node, ast.Assign) and _makes(node.value):
                    names = [each.id for each in node.targets if isinstance(each, ast.Name)]
                    found += [f"{path.stem}:{name}" for name in names]
    return [name for name in found if name.startswith(incomplete)]


def _makes(value: Any) -> bool:
    """Whether an expression calls Queue or Worker, by name or as an attribute."""
    called = getattr(value, "func", None)
    return getattr(called, "id", getattr(called, "attr", "")) in {"Queue", "Worker"}


@_quiet
def complete_queue(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the queues of APP."""
    return [queue.name for queue in _queues(ctx) if queue.name.startswith(incomplete)]


@_quiet
def complete_task(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the tasks of APP."""
    names = {name for queue in _queues(ctx) for name in queue.tasks}
    return sorted(name for name in names if name.startswith(incomplete))


@_quiet
def complete_schedule(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids of the schedules of APP, in its code and in Redis."""

    async def ids(queue: Queue) -> list[str]:
        return [info.id for info in await queue.schedules()]

    declared = [each.id for queue in _queues(ctx) for each in queue.registry.declared]
    names = {*declared, *_ask(ctx, ids)}
    return sorted(name for name in names if name.startswith(incomplete))


@_quiet
def complete_job(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return ids of jobs of APP, some of each state."""
    import asyncio

    async def ids(queue: Queue) -> list[str]:
        pages = await asyncio.gather(*(queue.jobs(state, limit=_MOST) for state in _STATES))
        return [info.id for page in pages for info in page]

    return [id for id in _ask(ctx, ids) if id.startswith(incomplete)]


@_quiet
def complete_dead(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return ids of dead letters of APP."""

    async def ids(queue: Queue) -> list[str]:
        return [info.id for info in await queue.jobs("dead", limit=_MOST)]

    return [id for id in _ask(ctx, ids) if id.startswith(incomplete)]


@_quiet
def complete_worker(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids of the workers of APP that are seen now."""

    async def ids(queue: Queue) -> list[str]:
        return [info.id for info in await queue.workers()]

    return sorted({id for id in _ask(ctx, ids) if id.startswith(incomplete)})


def _queues(ctx: click.Context) -> list[Queue]:
    from aiojobs_redis.cli.app import load_queues

    # Where the value of an option is completed, click has left the arguments unparsed.
    app = ctx.params.get("app") or ctx.args[0]
    queues, wanted = load_queues(app), ctx.params.get("queue_name")
    return [queue for queue in queues if wanted in (None, queue.name)]


def _ask(ctx: click.Context, question: Callable[[Queue], Awaitable[list[str]]]) -> list[str]:
    """Ask Redis; nothing where it does not answer soon."""
    import asyncio

    async def ask() -> list[str]:
        found: list[str] = []
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_PATIENCE):
                for queue in _queues(ctx):
                    async with queue:
                        found += await question(queue)
        return found

    return asyncio.run(ask())
