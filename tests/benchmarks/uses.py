"""What other jobs of a queue may use, each so that something of it is left while plain jobs run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiojobs_redis import Queue, Snooze, Unique, WaitFor, Worker, current_job
from tests.support.waiting import wait_until

__all__ = ["USES", "Beside", "Use"]

_HOUR = 3600
_FEW = 20


class Beside:
    """A queue, and what goes on beside its plain jobs until `stack` is closed.

    Args:
        queue: The queue.
        url: Where it is.
        stack: What it opens is closed by.
    """

    def __init__(self, queue: Queue, url: str, stack: contextlib.AsyncExitStack) -> None:
        self.queue = queue
        self._url = url
        self._stack = stack

    async def program(self, name: str | None = None, **options: Any) -> Queue:
        """Return the queue as another program has it, or another queue of its server."""
        name = name or self.queue.name
        queue = Queue(name, self._url, namespace=self.queue.namespace, **options)
        return await self._stack.enter_async_context(queue)

    def goes_on(self, what: Awaitable[object]) -> None:
        """Leave something under way."""
        task = asyncio.ensure_future(what)

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        self._stack.push_async_callback(end)

    async def run(self) -> None:
        """Run what is there to run."""
        await Worker(self.queue, concurrency=10).run(burst=True)


Use = Callable[[Beside], Awaitable[object]]


async def flows(beside: Beside) -> None:
    first = await beside.queue.enqueue("later", delay=_HOUR)
    for _ in range(_FEW):
        await beside.queue.enqueue("later", depends_on=[first])


async def flows_across(beside: Beside) -> None:
    other = await beside.program(f"{beside.queue.name}x")
    there = await other.enqueue("later", delay=_HOUR)
    here = await beside.queue.enqueue("later", delay=_HOUR)
    for _ in range(_FEW):
        await beside.queue.enqueue("later", depends_on=[there])
        await other.enqueue("later", depends_on=[here])


async def waits_for_others(beside: Beside) -> None:
    first = await beside.queue.enqueue("later", delay=_HOUR)

    @beside.queue.task
    async def waits() -> None:
        raise WaitFor([first])

    await beside.queue.enqueue_many([waits.bind() for _ in range(_FEW)])
    await beside.run()


async def limits(beside: Beside) -> None:
    await beside.queue.limit(concurrency=1, rate=(1, _HOUR), key="other")
    await beside.queue.limit(concurrency=1, key="*")
    await beside.queue.limit(rate=(1, _HOUR), task="later")
    await beside.queue.limit(concurrency=1, task="later", key="other")


async def held_back(beside: Beside) -> None:
    await limits(beside)

    @beside.queue.task
    async def later() -> None:
        return None

    calls = [later.options(key=str(number % 3)).bind() for number in range(_FEW)]
    await beside.queue.enqueue_many(calls)
    await beside.run()


async def keys(beside: Beside) -> None:
    await beside.queue.weigh("other", 3)
    for number in range(_FEW):
        await beside.queue.enqueue("later", key=str(number), delay=_HOUR)


async def key_priorities(beside: Beside) -> None:
    """Of jobs that wait behind all others, so that a claim has to look whether there are some."""
    for number in range(_FEW):
        await beside.queue.enqueue("later", key="other", key_priority=number, priority=-1)


async def lifo(beside: Beside) -> None:
    for _ in range(_FEW):
        await beside.queue.enqueue("later", lifo=True, delay=_HOUR)


async def ageing(beside: Beside) -> None:
    await beside.queue.age(60)


async def unique_keys(beside: Beside) -> None:
    for number in range(_FEW):
        await beside.queue.enqueue("later", unique=Unique(str(number)), delay=_HOUR)


async def followers(beside: Beside) -> None:
    unique = Unique("other", on_conflict="follow")

    @beside.queue.task(unique=unique)
    async def once_more() -> None:
        raise Snooze(_HOUR)

    await once_more.enqueue()
    await beside.run()
    await once_more.enqueue()


async def waiters(beside: Beside) -> None:
    job = await beside.queue.enqueue("later", delay=_HOUR)
    beside.goes_on(job.result(timeout=_HOUR))

    async def waited_for() -> bool:
        async with beside.queue.store.server.borrow() as link:
            return bool(await link.call("EXISTS", beside.queue.store.keys["waiters"]))

    await wait_until(waited_for, "somebody waits")


async def retention(beside: Beside) -> None:
    await beside.queue.keep(completed=100_000, dead=100)


async def expiry(beside: Beside) -> None:
    await beside.queue.enqueue("later", delay=_HOUR, expires=2 * _HOUR, max_starts=1)


async def schedules(beside: Beside) -> None:
    await beside.queue.schedule("later", beside.queue.bind("later"), every=_HOUR)


async def inside_jobs(beside: Beside) -> None:
    """State, steps, progress, logs and calls made once: of jobs that have ended, and of others."""

    def made() -> int:
        return 1

    @beside.queue.task
    async def works(number: int) -> None:
        job = current_job()
        job.state["done"] = number
        await job.save()
        await job.step("made", made)
        await job.once(f"made {number}", made)
        await job.progress(1, 2)
        await job.log("half")
        if number % 2:
            raise Snooze(_HOUR)

    await beside.queue.enqueue_many([works.bind(number) for number in range(_FEW)])
    await beside.run()


async def events(beside: Beside) -> None:
    """Events of jobs and of the application, and somebody who reads them.

    Who goes on reading takes commands of its own; no script knows of it.
    """
    begun = datetime.now(UTC) - timedelta(seconds=1)

    @beside.queue.task
    async def tells() -> None:
        await current_job().emit("told")

    await beside.queue.enqueue_many([tells.bind() for _ in range(_FEW)])
    await beside.run()
    await beside.queue.emit("told")
    async with asyncio.timeout(10):
        async for event in beside.queue.events(since=begun, types=["emitted"]):
            if event.job is None:
                break


async def batches(beside: Beside) -> None:
    @beside.queue.batch_task(size=5, wait=0.01)
    async def together(rows: list[int]) -> None:
        return None

    await beside.queue.enqueue_many([together.bind(number) for number in range(_FEW)])
    await beside.run()
    await together.options(delay=_HOUR).enqueue(0)


async def lengths_of_keys(beside: Beside) -> None:
    program = await beside.program(max_length_per_key=2)
    for number in range(_FEW):
        await program.enqueue("later", key=str(number), delay=_HOUR)


async def enqueue_rates(beside: Beside) -> None:
    program = await beside.program(enqueue_rate=(100, 60))
    for number in range(_FEW):
        await program.enqueue("later", key=str(number), delay=_HOUR)


USES: list[Use] = [
    *(flows, flows_across, waits_for_others, limits, held_back, keys, key_priorities, lifo),
    *(ageing, unique_keys, followers, waiters, retention, expiry, schedules, inside_jobs, events),
    *(batches, lengths_of_keys, enqueue_rates),
]
