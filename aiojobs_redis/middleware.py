"""What an application puts around each enqueue and around each attempt of a job.

    enqueue(...) ─▶ first ─▶ second ─▶ written to Redis
                      ◀──────── handles ────────┘

A middleware is an async callable of what goes in and of the next one. The first of a list is the
outermost. Queues and workers without any go straight to the work.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from aiojobs_redis.calls import check_calls
from aiojobs_redis.context import JobContext
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.handle import Job
from aiojobs_redis.task import BoundCall

if TYPE_CHECKING:
    from aiojobs_redis.flow import Flow
    from aiojobs_redis.spread import Part
    from aiojobs_redis.submission import Submission

__all__ = [
    "Adding",
    "EnqueueMiddleware",
    "Enqueueing",
    "JobMiddleware",
    "chain",
    "check_middleware",
]

T = TypeVar("T")
U = TypeVar("U")

EnqueueNext: TypeAlias = Callable[[Sequence[BoundCall[Any]]], Awaitable[Sequence[Job[Any]]]]
EnqueueMiddleware: TypeAlias = Callable[
    [Sequence[BoundCall[Any]], EnqueueNext], Awaitable[Sequence[Job[Any]]]
]
JobMiddleware: TypeAlias = Callable[
    [JobContext, Callable[[JobContext], Awaitable[Any]]], Awaitable[Any]
]


def check_middleware(middleware: Iterable[Callable[..., Any]], shape: str) -> tuple[Any, ...]:
    """Return middleware as a tuple.

    Args:
        middleware: What was given.
        shape: Its parameters, for the message.

    Raises:
        ConfigInvalid: It is no list, or one of it cannot be called or is a plain function.
    """
    if callable(middleware) or not isinstance(middleware, Iterable):
        raise ConfigInvalid(f"middleware must be a list of async callables of {shape}")
    found = tuple(middleware)
    for one in found:
        plain = inspect.isroutine(one) and not inspect.iscoroutinefunction(one)
        if not callable(one) or plain:
            raise ConfigInvalid(
                f"a middleware must be an async callable of {shape}, got {one!r:.80}: "
                "declare it with 'async def'"
            )
    return found


def chain(
    middleware: Sequence[Callable[[T, Callable[[T], Awaitable[U]]], Awaitable[U]]],
    last: Callable[[T], Awaitable[U]],
) -> Callable[[T], Awaitable[U]]:
    """Return what calls the middleware, the first of it outermost, around the last."""
    step = last
    for one in reversed(middleware):
        step = _around(one, step)
    return step


def _around(
    one: Callable[[T, Callable[[T], Awaitable[U]]], Awaitable[U]],
    inner: Callable[[T], Awaitable[U]],
) -> Callable[[T], Awaitable[U]]:
    def step(value: T) -> Awaitable[U]:
        return one(value, inner)

    return step


class Adding(Protocol):
    """What a queue adds its jobs by."""

    async def add(self, call: BoundCall[Any]) -> Job[Any]:
        """Add one job."""
        ...

    async def add_many(self, calls: Iterable[BoundCall[Any]]) -> list[Job[Any]]:
        """Add many jobs."""
        ...

    async def add_flow(self, flow: Flow) -> list[Job[Any]]:
        """Add the jobs of a flow."""
        ...


class Enqueueing:
    """Adds jobs through the middleware of a queue.

    Args:
        submission: Adds them.
        middleware: What is around that.
        queue: Name of the queue, for messages.
    """

    def __init__(
        self, submission: Submission, middleware: Sequence[EnqueueMiddleware], queue: str
    ) -> None:
        self._submission = submission
        self._middleware = middleware
        self._queue = queue

    async def add(self, call: BoundCall[Any]) -> Job[Any]:
        """Add one job; see `Submission.add`."""

        async def last(calls: Sequence[BoundCall[Any]]) -> Sequence[Job[Any]]:
            return [await self._submission.add(calls[0])]

        return (await self._through([call], last))[0]

    async def add_many(self, calls: Iterable[BoundCall[Any]]) -> list[Job[Any]]:
        """Add many jobs; see `Submission.add_many`."""
        return await self._through(list(calls), self._submission.add_many)

    async def add_flow(self, flow: Flow) -> list[Job[Any]]:
        """Add the jobs of a flow; see `Submission.add_flow`."""
        return await self._submission.add_flow(flow)

    async def add_together(self, given: Sequence[BoundCall[Any]]) -> list[Job[Any]]:
        """Add the jobs of a flow in one queue; see `Submission.add_together`."""
        return await self._through(given, self._submission.add_together)

    async def add_part(self, given: Sequence[BoundCall[Any]], part: Part) -> list[Job[Any]]:
        """Add a part of a flow over several queues; see `Submission.add_part`."""

        async def last(calls: Sequence[BoundCall[Any]]) -> Sequence[Job[Any]]:
            return await self._submission.add_part(calls, part)

        return await self._through(given, last)

    async def check_part(self, calls: Sequence[BoundCall[Any]], part: Part) -> None:
        """See that it can be added; see `Submission.check_part`."""
        await self._submission.check_part(calls, part)

    async def _through(self, calls: Sequence[BoundCall[Any]], last: EnqueueNext) -> list[Job[Any]]:
        added: list[Job[Any]] = []

        # Called without them, too: that has an error of its own.
        async def add(passed: Iterable[BoundCall[Any]] = ()) -> list[Job[Any]]:
            wanted = check_calls("call_next of a middleware", passed)
            if added:
                raise ConfigInvalid(
                    f"a middleware of queue {self._queue} called the next one again, which has "
                    "added the jobs already. Nothing was added twice."
                )
            if len(wanted) != len(calls):
                raise ConfigInvalid(
                    f"a middleware of queue {self._queue} passed on {len(wanted)} calls for "
                    f"{len(calls)}: it may change calls, but neither add nor drop any. To refuse "
                    "them, raise. Nothing was added."
                )
            added.extend(await last(wanted))
            return list(added)

        shown = list(map(self._submission.with_own_headers, calls))
        jobs: Iterable[Job[Any]] | None = await chain(self._middleware, add)(shown)
        found = list(jobs or ())
        if len(found) != len(calls):
            what = "The jobs were added" if added else "No job was added"
            raise ConfigInvalid(
                f"a middleware of queue {self._queue} returned {len(found)} handles for "
                f"{len(calls)} calls: return what the next one has returned. To refuse calls, "
                f"raise. {what}."
            )
        return found
