"""Jobs that run at their enqueue, in this process and without a server."""

from __future__ import annotations

import contextlib
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.memory import forget_memory_server
from aiojobs_redis.context import current_jobs
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.testing.given import check_queues
from aiojobs_redis.testing.idle import running, settle
from aiojobs_redis.worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

    from aiojobs_redis.flow import Flow
    from aiojobs_redis.handle import Job
    from aiojobs_redis.middleware import Adding
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.task import BoundCall

__all__ = ["Added", "Inline", "inline"]

T = TypeVar("T")


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
    check_queues("inline", queues)
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
        async with running(queues, worker) as (runner, work):
            for queue in queues:
                queue.adding = Inline(queue.adding, lambda: settle(queues, runner, work))
            yield
    finally:
        for queue, place, way in zip(queues, places, ways, strict=True):
            queue.store.return_to(place)
            queue.adding = way
        await server.close()
        forget_memory_server(name)


class Added(NamedTuple):
    """A call that was enqueued, which may have left no record.

    Attributes:
        call: The call.
        id: The id of its job.
        at: When, by the clock of this process.
    """

    call: BoundCall[Any]
    id: str
    at: datetime


class Inline:
    """Adds jobs, and waits for what they lead to.

    Args:
        way: Adds them.
        settle: Waits.

    Attributes:
        added: The jobs that were added to its queue, in their order.
    """

    def __init__(self, way: Adding, settle: Callable[[], Awaitable[None]]) -> None:
        self._way = way
        self._settle = settle
        self.added: list[Added] = []

    async def add(self, call: BoundCall[Any]) -> Job[Any]:
        """Add one job; see `Submission.add`."""
        job = await self._way.add(call)
        self._note([call], [job])
        return await self._after(job)

    async def add_many(self, calls: Iterable[BoundCall[Any]]) -> list[Job[Any]]:
        """Add many jobs; see `Submission.add_many`."""
        calls = list(calls)
        jobs = await self._way.add_many(calls)
        self._note(calls, jobs)
        return await self._after(jobs)

    async def add_flow(self, flow: Flow) -> list[Job[Any]]:
        """Add the jobs of a flow; see `Submission.add_flow`."""
        jobs = await self._way.add_flow(flow)
        self._note([step.call for step in flow.steps], jobs)
        return await self._after(jobs)

    async def settle(self) -> None:
        """Wait until everything that was added has ended; within a task it returns at once."""
        if not _inside_a_task():
            await self._settle()

    def _note(self, calls: Sequence[BoundCall[Any]], jobs: Sequence[Job[Any]]) -> None:
        now = datetime.now(UTC)
        for call, job in zip(calls, jobs, strict=True):
            # A part of a flow may be in another queue.
            inline = job.queue.adding
            if job.created and isinstance(inline, Inline):
                inline.added.append(Added(call, job.id, now))

    async def _after(self, added: T) -> T:
        await self.settle()
        return added


def _inside_a_task() -> bool:
    # One that waited for what it enqueues would wait for itself.
    try:
        current_jobs()
    except RuntimeError:
        return False
    return True
