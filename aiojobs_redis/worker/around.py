"""Middleware around an attempt, watched: what it forgets to await has not run.

A middleware that calls the next one without ``await`` would complete the job without its task, and
one that returns what it should await would fail it with an error about a coroutine.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiojobs_redis.context import JobContext
    from aiojobs_redis.middleware import JobMiddleware

__all__ = ["around"]


def around(
    middleware: Sequence[JobMiddleware], last: Callable[[JobContext], Awaitable[Any]]
) -> Callable[[JobContext], Awaitable[Any]]:
    """Return what calls the middleware, the first of it outermost, around the last.

    Where one of it has returned without having awaited the next one, `ConfigInvalid` is raised.
    """
    step = last
    for one in reversed(middleware):
        step = _step(one, step)
    return step


def _step(
    one: JobMiddleware, inner: Callable[[JobContext], Awaitable[Any]]
) -> Callable[[JobContext], Awaitable[Any]]:
    async def step(job: JobContext) -> Any:
        made: list[Awaitable[Any]] = []

        def call_next(*given: JobContext) -> Awaitable[Any]:
            if len(given) != 1:
                raise ConfigInvalid(
                    f"{_title(one)} called call_next with {len(given)} arguments, it takes the "
                    "job: write 'return await call_next(job)'"
                )
            made.append(inner(given[0]))
            return made[-1]

        value = await one(job, call_next)
        for each in made:
            if inspect.iscoroutine(each) and inspect.getcoroutinestate(each) == _NOT_BEGUN:
                each.close()
                raise ConfigInvalid(
                    f"{_title(one)} called call_next(job) and did not await it, so the task did "
                    "not run: write 'return await call_next(job)'"
                )
        return value

    return step


_NOT_BEGUN = inspect.CORO_CREATED


def _title(one: JobMiddleware) -> str:
    name = getattr(one, "__qualname__", None) or type(one).__qualname__
    return f"the middleware {name}"
