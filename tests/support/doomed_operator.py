"""A process that makes one call of an operator, for one that is killed in it; and what it is to do.

The queue that it works on has a job that waits for its next attempt, with everything that a job can
leave; one that holds a unique key; a dead one; and one that depends on the first and on another
one, which depends on a third.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiojobs_redis import Job, JobStateError, Queue, Unique, Worker, current_job
from tests.support.raw import add_deaf_worker
from tests.support.waiting import wait_until

__all__ = ["ACTS", "NAME", "Act", "build", "live", "prepare"]

NAME = "operated"
KEY = Unique("key")


class Act(NamedTuple):
    """What an operator does.

    Attributes:
        do: The call.
        seen: What shows whether it was made.
    """

    do: Callable[[Queue], Awaitable[object]]
    seen: Callable[[Queue], Awaitable[object]]


def build(url: str) -> Queue:
    """Return the queue with its task, whose first attempt fails."""
    queue = Queue(NAME, url=url, namespace="test")

    @queue.task(attempts=2, backoff=[3600])
    async def work(what: str) -> str:
        job = current_job()
        await job.progress(1, 2)
        job.state["what"] = what
        for number in range(3):
            await job.log(f"line {number}")
        result: str = await job.step("say", lambda: what)
        if job.attempt == 1:
            raise OSError("at first")
        return result

    @queue.task(attempts=1)
    async def fail() -> None:
        raise OSError("always")

    return queue


async def prepare(url: str) -> None:
    """Let the queue be as every process finds it."""
    queue = build(url)
    tried = await queue.tasks["work"].options(id="tried").enqueue("old")
    dead = await queue.tasks["fail"].options(id="dead").enqueue()

    async def ended() -> bool:
        states = await queue.states([tried.id, dead.id])
        return [states[tried.id], states[dead.id]] == ["retrying", "dead"]

    async with Worker(queue):
        await wait_until(ended, "both to have failed", 10)
    await queue.tasks["work"].options(id="unique", unique=KEY).enqueue("once")
    work = queue.tasks["work"]
    deep = await work.options(id="deep").enqueue("deep")
    above = await work.options(id="above", depends_on=[deep]).enqueue("above")
    await work.options(id="below", depends_on=[tried, above]).enqueue("below")
    await add_deaf_worker(queue)
    await queue.close()


async def live(url: str, act: str) -> None:
    """Make one call."""
    queue = build(url)
    await ACTS[act].do(queue)
    await queue.close()


def _tried(queue: Queue) -> Job[Any]:
    return queue.job("tried")


async def _change(queue: Queue) -> None:
    await _tried(queue).change(queue.tasks["work"].bind("new"))


async def _changed(queue: Queue) -> object:
    job = _tried(queue)
    info = await job.info()
    assert info is not None
    return info.args, info.progress, await job.steps(), await job.saved_state()


async def _texts(queue: Queue) -> object:
    return [line.text for line in await _tried(queue).logs()]


async def _meta(queue: Queue) -> object:
    async with queue.store.server.borrow() as link:
        return await link.call("HMGET", queue.store.keys["meta"], "ageing", "paused", "caps")


async def _asked(queue: Queue) -> object:
    return [(info.id, info.asked) for info in await queue.workers()]


async def _closed(queue: Queue) -> object:
    return [limit.closed_until is not None for limit in await queue.limits()]


async def _holder(queue: Queue) -> object:
    async with queue.store.server.borrow() as link:
        return await link.call("HKEYS", queue.store.keys["unique"])


async def _states(queue: Queue) -> object:
    return await queue.states(["tried", "unique", "dead"])


async def _detach(queue: Queue) -> None:
    # It says so where it was done before.
    with contextlib.suppress(JobStateError):
        await queue.job("below").remove_dependency("tried")


async def _flow(queue: Queue) -> object:
    return str(await queue.job("below").tree()), await queue.states(["below", "above", "deep"])


async def _counted(queue: Queue) -> object:
    return (await queue.metrics(60)).tasks


ACTS = {
    "change": Act(_change, _changed),
    "clear the log": Act(lambda queue: _tried(queue).clear_log(keep=1), _texts),
    "age": Act(lambda queue: queue.age(60), _meta),
    "close": Act(lambda queue: queue.limit_for(60), _closed),
    "pause": Act(lambda queue: queue.pause(), _meta),
    "keep": Act(lambda queue: queue.keep(dead=3), _meta),
    "ask a worker": Act(lambda queue: queue.quiet_worker("deaf"), _asked),
    "free": Act(lambda queue: queue.job("unique").free_unique(), _holder),
    "detach": Act(_detach, _flow),
    "prune": Act(lambda queue: queue.job("below").remove_waiting_parents(), _flow),
    "replay": Act(lambda queue: queue.replay_all(), _states),
    "metrics": Act(lambda queue: queue.metrics(60), _counted),
}
