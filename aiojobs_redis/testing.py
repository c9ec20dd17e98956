"""Helpers for the tests of an application: jobs that run at their enqueue, and failures on purpose.

Nothing here is simulated: the jobs go through the same scripts and the same worker as elsewhere. A
retry does not wait for its back-off, so that tests need no sleeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Any, TypeVar

from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.memory import forget_memory_server
from aiojobs_redis.context import current_jobs
from aiojobs_redis.errors import ConfigInvalid, JobNotFound, JobStateError
from aiojobs_redis.job import JobState
from aiojobs_redis.policy import policy_of
from aiojobs_redis.worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Sequence

    from aiojobs_redis.flow import Flow
    from aiojobs_redis.handle import Job
    from aiojobs_redis.middleware import Adding
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.task import BoundCall, Task

__all__ = ["failing", "inline", "run_until_idle"]

T = TypeVar("T")

_LOOK = 0.002
_PAGE = 1000


@contextlib.asynccontextmanager
async def inline(
    *queues: Queue, worker: Callable[[Sequence[Queue]], Worker] = Worker
) -> AsyncGenerator[None]:
    """Run jobs at their enqueue, in this process and without a server.

    In the block the queues are empty ones in memory, whatever their URL, and what they hold goes
    with it. An enqueue returns when everything that it led to has ended: what tasks enqueue
    themselves, and retries, which do not wait for their back-off. Within a task an enqueue returns
    at once. Jobs with a delay stay scheduled; `run_until_idle` can run them.

    Args:
        queues: The queues of the application.
        worker: Makes the worker from them, for one with a lifespan or middleware.

    Raises:
        ConfigInvalid: A queue has a durability, which nothing in memory can give, or there is none.
    """
    for queue in queues:
        if queue.durability is not None:
            raise ConfigInvalid(
                f"queue {queue.name} has a durability, and inline() runs it in memory, where "
                "nothing can confirm an enqueue: make it without one in tests"
            )
    name = f"inline-{secrets.token_hex(8)}"
    server = Server.from_url(f"memory://{name}")
    places = [queue.store.place(server) for queue in queues]
    ways = [queue.adding for queue in queues]
    try:
        async with _running(queues, worker) as work:
            for queue in queues:
                queue.adding = _Inline(queue.adding, lambda: _settle(queues, work))
            yield
    finally:
        for queue, place, way in zip(queues, places, ways, strict=True):
            queue.store.return_to(place)
            queue.adding = way
        await server.close()
        forget_memory_server(name)


async def run_until_idle(
    *queues: Queue,
    scheduled: bool = False,
    worker: Callable[[Sequence[Queue]], Worker] = Worker,
) -> None:
    """Run a worker until nothing is queued, running or retrying any more.

    Retries do not wait for their back-off.

    Args:
        queues: The queues of the application, on any server.
        scheduled: Whether jobs do not wait for their ``delay``, ``at`` or `Snooze` either, once
            each.
        worker: Makes the worker from them, for one with a lifespan or middleware.
    """
    async with _running(queues, worker) as work:
        await _settle(queues, work, scheduled=scheduled)


@contextlib.contextmanager
def failing(
    task: Task[..., Any], times: int = 1, error: BaseException | type[BaseException] | None = None
) -> Generator[None]:
    """Let the first attempts of each job of a task fail, in this process.

    Args:
        task: The task; its function is not called in those attempts.
        times: How many attempts of a job fail.
        error: What they raise; `ConnectionError` by default.

    Raises:
        ConfigInvalid: ``times`` is no whole number from 0, or the task runs in processes, which do
            not see this.
    """
    if not isinstance(times, int) or isinstance(times, bool) or times < 0:
        raise ConfigInvalid(f"times must be a whole number from 0, got {times!r:.80}")
    if policy_of(task).executor == "process":
        raise ConfigInvalid(
            f"{task.name} runs in a process of its own, which does not see that it is to fail: "
            "let its function fail there"
        )
    function = task.function
    raised = ConnectionError("made to fail by testing.failing()") if error is None else error

    def refuse() -> None:
        if current_jobs()[0].attempt <= times:
            raise raised

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        refuse()
        return await function(*args, **kwargs)

    def called(*args: Any, **kwargs: Any) -> Any:
        refuse()
        return function(*args, **kwargs)

    task.function = awaited if task.is_async else called
    try:
        yield
    finally:
        task.function = function


class _Inline:
    """Adds jobs, and waits for what they lead to.

    Args:
        way: Adds them.
        settle: Waits.
    """

    def __init__(self, way: Adding, settle: Callable[[], Awaitable[None]]) -> None:
        self._way = way
        self._settle = settle

    async def add(self, call: BoundCall[Any]) -> Job[Any]:
        """Add one job; see `Submission.add`."""
        return await self._after(self._way.add(call))

    async def add_many(self, calls: Iterable[BoundCall[Any]]) -> list[Job[Any]]:
        """Add many jobs; see `Submission.add_many`."""
        return await self._after(self._way.add_many(calls))

    async def add_flow(self, flow: Flow) -> list[Job[Any]]:
        """Add the jobs of a flow; see `Submission.add_flow`."""
        return await self._after(self._way.add_flow(flow))

    async def _after(self, adding: Awaitable[T]) -> T:
        added = await adding
        if not _inside_a_task():
            await self._settle()
        return added


def _inside_a_task() -> bool:
    # One that waited for what it enqueues would wait for itself.
    try:
        current_jobs()
    except RuntimeError:
        return False
    return True


@contextlib.asynccontextmanager
async def _running(
    queues: Sequence[Queue], make: Callable[[Sequence[Queue]], Worker]
) -> AsyncGenerator[asyncio.Task[None]]:
    worker = make(list(queues))
    work = asyncio.create_task(worker.run())
    try:
        yield work
    finally:
        worker.stop()
        await work


async def _settle(
    queues: Sequence[Queue], work: asyncio.Task[None], *, scheduled: bool = False
) -> None:
    promoted: set[tuple[str, str]] = set()
    while not work.done():
        busy = False
        for queue in queues:
            counts = await queue.counts()
            queued = 0 if counts.paused else counts.queued
            busy = busy or bool(queued or counts.running or counts.retrying)
            if counts.retrying:
                await _promote(queue, JobState.RETRYING, counts.retrying, None)
            if scheduled and counts.scheduled:
                waits = counts.scheduled
                busy = await _promote(queue, JobState.SCHEDULED, waits, promoted) or busy
        if not busy:
            return
        await asyncio.sleep(_LOOK)
    # It has failed: the caller is told why.
    await work


async def _promote(
    queue: Queue, state: JobState, number: int, promoted: set[tuple[str, str]] | None
) -> bool:
    """Let jobs run that wait for their time; whether there were any, or are fewer than counted.

    Those have fallen due, or were cancelled, meanwhile: the counts have to be asked again.
    """
    infos = await queue.jobs(state, limit=_PAGE)
    fresh = [info.id for info in infos if not promoted or (queue.name, info.id) not in promoted]
    for id in fresh:
        with contextlib.suppress(JobStateError, JobNotFound):
            await queue.job(id).promote()
    if promoted is not None:
        promoted.update((queue.name, id) for id in fresh)
    return bool(fresh) or len(infos) < min(number, _PAGE)
