"""A process that makes one call of an operator, for one that is killed in it; and what it is to do.

The queue that it works on has a job that waits for its next attempt, with everything that a job can
leave; one that holds a unique key; a dead one; and one that depends on the first and on another
one, which depends on a third. Histories are recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from aiojobs_redis import Job, JobNotFound, JobStateError, Queue, Unique, Worker, current_job
from tests.support.raw import add_deaf_worker
from tests.support.waiting import wait_until

__all__ = ["ACTS", "JOBS", "NAME", "Act", "build", "live", "prepare"]

NAME = "operated"
JOBS = ("tried", "unique", "dead", "first")
KEY = Unique("key")


class Act(NamedTuple):
    """What an operator does.

    Attributes:
        do: The call.
        seen: What shows whether it was made.
        left: Jobs that are there once it was made, all but the dead one to run.
    """

    do: Callable[[Queue], Awaitable[object]]
    seen: Callable[[Queue], Awaitable[object]]
    left: tuple[str, ...] = ("tried", "unique", "dead")


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


async def prepare(url: str, history: Path) -> None:
    """Let the queue be as every process finds it."""
    queue = build(url)
    recorder = queue.record_history(history)
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
    recorder.close()
    await queue.close()


async def live(url: str, act: str, history: str) -> None:
    """Make one call."""
    queue = build(url)
    with queue.record_history(history):
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


async def _remove(queue: Queue) -> None:
    # Who comes second finds nothing.
    with contextlib.suppress(JobNotFound):
        await queue.job("tried").remove()


async def _enqueue_first(queue: Queue) -> None:
    await queue.tasks["work"].options(id="first", lifo=True).enqueue("first")


async def _waiting(queue: Queue) -> object:
    return [job.id for job in await queue.jobs("queued")]


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
    "remove": Act(_remove, _states, ("unique", "dead")),
    "clean": Act(lambda queue: queue.clean("dead"), _states, ("tried", "unique")),
    "destroy": Act(lambda queue: queue.destroy(force=True), _states, ()),
    "enqueue first": Act(_enqueue_first, _waiting, JOBS),
    "metrics": Act(lambda queue: queue.metrics(60), _counted),
}
