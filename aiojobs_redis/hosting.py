"""A queue within an application: connected while that runs, with what is around each enqueue."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self

from aiojobs_redis.middleware import Enqueueing, check_middleware

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from aiojobs_redis.middleware import Adding, EnqueueMiddleware
    from aiojobs_redis.submission import Submission

__all__ = ["Hosting"]


class Hosting:
    """The part of a `Queue` that an application takes into its own life.

    Attributes:
        submitting: What adds jobs through the middleware.
        adding: What an enqueue goes to: ``submitting``, or what a test has put in its place.
    """

    name: str
    submitting: Enqueueing | Submission
    adding: Adding
    _submission: Submission
    _around: tuple[EnqueueMiddleware, ...] = ()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    if TYPE_CHECKING:

        async def connect(self) -> None:
            """Connect; the `Queue` does."""

        async def close(self) -> None:
            """Close the connections; the `Queue` does."""

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncGenerator[None]:
        """Be connected while an ASGI application runs: ``FastAPI(lifespan=queue.lifespan)``.

        Args:
            app: The application, which nothing is done with.

        Raises:
            QueueUnavailable: Redis did not answer.
            RedisIncompatible: It is older than Redis 7.0 or Valkey 7.2.
        """
        async with self:
            yield

    def add_middleware(self, middleware: EnqueueMiddleware) -> None:
        """Put one more middleware around each enqueue from now on, within those that are there.

        Args:
            middleware: Async callable of calls and ``call_next``; see `EnqueueMiddleware`.

        Raises:
            ConfigInvalid: It cannot be called, or is a plain function.
        """
        self._surround([middleware])

    def _surround(self, middleware: Iterable[EnqueueMiddleware]) -> None:
        self._around += check_middleware(middleware, "calls and call_next")
        if not self._around:
            self.submitting = self.adding = self._submission
            return
        replaced = getattr(self, "adding", None) is not getattr(self, "submitting", None)
        self.submitting = Enqueueing(self._submission, self._around, self.name)
        if not replaced:
            self.adding = self.submitting
