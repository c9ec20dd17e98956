"""A process in which an operator acts through the dashboard, for one that is killed in it."""

from __future__ import annotations

from aiojobs_redis import JobState, Queue, Worker
from aiojobs_redis.web import actions
from aiojobs_redis.web.rights import Rights
from aiojobs_redis.web.state import Caller

__all__ = ["ACTS", "NAME", "build", "live", "prepare", "was_done"]

NAME = "audited"
ACTS = ("retry", "replay_all", "pause", "remove")
DEAD = [f"dead-{number}" for number in range(3)]


def build(url: str) -> Queue:
    """Return the queue with its task, which always fails."""
    queue = Queue(NAME, url=url, namespace="test")

    @queue.task(attempts=1)
    async def fail() -> None:
        raise OSError("always")

    return queue


async def prepare(url: str) -> None:
    """Let the queue be as every process finds it, with three dead jobs."""
    async with build(url) as queue:
        for id in DEAD:
            await queue.tasks["fail"].options(id=id).enqueue()
        await Worker(queue).run(burst=True)


async def live(url: str, act: str) -> None:
    """Do one thing as ada."""
    ada = Caller("ada", Rights.FULL)
    async with build(url) as queue:
        if act == "retry":
            await actions.retry(ada, queue, DEAD[0])
        elif act == "remove":
            await actions.remove(ada, queue, DEAD[0])
        elif act == "pause":
            await actions.pause(ada, queue)
        else:
            await actions.replay_all(ada, queue)


async def was_done(queue: Queue, act: str) -> bool:
    """Whether it was done, as the queue shows."""
    if act == "pause":
        return (await queue.counts()).paused
    state = await queue.job(DEAD[0]).state()
    return state is None if act == "remove" else state is JobState.QUEUED
