"""Fills in the parameters of tasks that ask for it, for each attempt anew.

    providers in order of need ─▶ the function ─▶ what they yielded is closed, the last one first

What a provider raises counts as the task's. One that yields meets the task's error at its yield,
and may clean up, but not swallow it.
"""

from __future__ import annotations

import contextlib
import inspect
from types import NoneType
from typing import TYPE_CHECKING, Any

from aiojobs_redis.dependency import classes_of
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from aiojobs_redis.dependency import Need
    from aiojobs_redis.queue import Queue

__all__ = ["Injector"]


class Injector:
    """Fills in parameters from what the lifespan of a worker yielded.

    Attributes:
        shared: The objects that tasks share, each to be found by its type.
    """

    def __init__(self) -> None:
        self.shared: tuple[Any, ...] = ()

    def provide(self, value: Any) -> None:
        """Take what the lifespan yielded: an object, or several as a tuple."""
        self.shared = value if type(value) is tuple else (value,)

    def check(self, queues: Iterable[Queue]) -> None:
        """See that every registered task can be given what it asks for.

        Raises:
            ConfigInvalid: One cannot; the message names the task, the parameter and the type.
        """
        for queue in queues:
            for task in queue.tasks.values():
                for name, need in task.needs.items():
                    for kind in need.shared():
                        self._find(kind, f"task {task.name!r} asks by {name!r} for")

    async def call(
        self,
        needs: Mapping[str, Need],
        function: Callable[[Mapping[str, Any]], Awaitable[Any]],
    ) -> Any:
        """Call a function with the values, and close them behind it."""
        # Nothing on the stack swallows: what is raised inside it, a failing commit too, comes out.
        async with contextlib.AsyncExitStack[None]() as stack:
            return await function(await self._fill(needs, stack, {}))

    async def _fill(
        self,
        needs: Mapping[str, Need],
        stack: contextlib.AsyncExitStack[None],
        made: dict[Any, Any],
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, need in needs.items():
            provider = need.provider
            if provider is None:
                values[name] = self._find(need.kind, f"parameter {name!r} asks for")
                continue
            key = _key(provider)
            if key not in made:
                # Each is called once a job, whoever asks for it.
                inner = await self._fill(need.needs, stack, made)
                made[key] = await _make(need, provider, inner, stack)
            values[name] = made[key]
        return values

    def _find(self, kind: Any, who: str) -> Any:
        classes = classes_of(kind)
        shared = [one for one in self.shared if one is not None]
        exact = [one for one in shared if type(one) in classes]
        found = exact or [one for one in shared if isinstance(one, classes)]
        if len(found) == 1:
            return found[0]
        if not found and NoneType in classes:
            # Of a task that can do without.
            return None
        shown = getattr(kind, "__qualname__", str(kind))
        names = ", ".join(type(one).__qualname__ for one in shared)
        has = f"yields {names}" if names else "yields nothing, or there is none"
        raise ConfigInvalid(
            f"{who} {'one' if found else 'a'} {shown}, and the lifespan of the worker {has}: "
            f"give Worker(lifespan=...) one that yields {'only one' if found else 'it'}, "
            "or the parameter Depends(provider)"
        )


def _key(provider: Callable[..., Any]) -> Any:
    # A method is another object each time it is named, but equal; an object that is compared by
    # its fields cannot be hashed, and is known by itself.
    try:
        hash(provider)
    except TypeError:
        return id(provider)
    return provider


async def _make(
    need: Need,
    provider: Callable[..., Any],
    values: Mapping[str, Any],
    stack: contextlib.AsyncExitStack[None],
) -> Any:
    if need.style == "async generator":
        return await _enter(contextlib.asynccontextmanager(provider)(**values), stack)
    if need.style == "generator":
        return _enter_plain(contextlib.contextmanager(provider)(**values), stack)
    value = provider(**values)
    return await value if inspect.isawaitable(value) else value


async def _enter(
    manager: contextlib.AbstractAsyncContextManager[Any], stack: contextlib.AsyncExitStack[None]
) -> Any:
    async def leave(*met: Any) -> None:
        # What it returns is dropped: it would say that the error is dealt with.
        await manager.__aexit__(*met)

    value = await manager.__aenter__()
    stack.push_async_exit(leave)
    return value


def _enter_plain(
    manager: contextlib.AbstractContextManager[Any], stack: contextlib.AsyncExitStack[None]
) -> Any:
    def leave(*met: Any) -> None:
        manager.__exit__(*met)

    value = manager.__enter__()
    stack.push(leave)
    return value
