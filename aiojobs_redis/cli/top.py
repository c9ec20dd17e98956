"""`top`: queues, workers and running jobs, again and again."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.numbers import Seconds, Whole
from aiojobs_redis.cli.options import examples, json_option, queue_of_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis import Queue
    from aiojobs_redis.cli.keys import Keys
    from aiojobs_redis.cli.snapshot import Sampler, Snapshot
    from aiojobs_redis.cli.top_view import View

__all__ = ["command"]

_JOBS = 20
_SLOW = 1.0


@click.command(
    "top",
    epilog=examples("top app:queues", "top app:queue --interval 5", "top app:queue -n 1 --json")
    + "\n\n\b\nKeys:\n  q  end\n  p  hold the picture, and go on",
)
@queue_of_app
@click.option(
    "--interval",
    type=Seconds(0.2, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("-n", "--count", type=Whole(1), help="Looks; until you end it by default.")
@json_option
def command(
    app: str, queue_name: str | None, interval: float, count: int | None, as_json: bool
) -> None:
    """Watch queues with their rates, the workers, and what runs.

    On a terminal with rich a picture that changes; lines for each look into a pipe.
    """
    import asyncio

    from aiojobs_redis.cli.app import load_queue, load_queues
    from aiojobs_redis.cli.top_view import make_view

    queues = load_queues(app) if queue_name is None else [load_queue(app, queue_name)]
    with make_view(as_json=as_json) as view, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(queues, view, interval, count))


async def _watch(queues: Sequence[Queue], view: View, interval: float, count: int | None) -> None:
    from aiojobs_redis.cli.keys import Keys
    from aiojobs_redis.cli.snapshot import Sampler
    from aiojobs_redis.errors import QueueUnavailable

    samplers = [Sampler(queue, _JOBS) for queue in queues]
    looks = 0
    try:
        with Keys(sys.stdin if view.live else None, view.hold) as keys:
            while count is None or looks < count:
                if not keys.held:
                    try:
                        shots = await _look(samplers, view, keys)
                    except QueueUnavailable as error:
                        # A picture that was there once waits for Redis to come back.
                        if not view.live or not looks:
                            raise
                        view.trouble(str(error))
                    else:
                        if shots is None:
                            return
                        view.update(shots)
                looks += 1
                if looks != count and await keys.wait(interval):
                    return
    finally:
        for queue in queues:
            await queue.close()


async def _look(samplers: Sequence[Sampler], view: View, keys: Keys) -> list[Snapshot] | None:
    """Look at all queues; None where that was ended by a key."""
    import asyncio

    async def take() -> list[Snapshot]:
        return [await sampler.take() for sampler in samplers]

    # A call waits long for a server that went away; the keys must not wait with it.
    looking, ended = asyncio.create_task(take()), asyncio.create_task(keys.ended.wait())
    either: set[asyncio.Task[Any]] = {looking, ended}
    try:
        done, _ = await asyncio.wait(either, timeout=_SLOW, return_when="FIRST_COMPLETED")
        if not done:
            view.trouble(f"Redis has not answered for {_SLOW:g} s")
            await asyncio.wait(either, return_when="FIRST_COMPLETED")
        return await looking if looking.done() else None
    finally:
        for task in either:
            task.cancel()
        await asyncio.gather(*either, return_exceptions=True)
