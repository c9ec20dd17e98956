"""One object for each event loop, since what waits on a loop cannot be used from another."""

from __future__ import annotations

import asyncio
import os
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PerLoop", "take_closed"]

T = TypeVar("T")


def take_closed(made: dict[asyncio.AbstractEventLoop, T]) -> list[T]:
    """Take out and return what was made on loops that are closed.

    Threads with a loop each come here at once: each step is one that another thread may have done.
    """
    taken = [made.pop(loop, None) for loop in list(made) if loop.is_closed()]
    return [one for one in taken if one is not None]


class PerLoop(Generic[T]):
    """Makes an object at the first use on a loop; a forked child makes its own.

    Args:
        make: Makes one.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}
        _all.add(self)

    def get(self) -> T:
        """Return the object of the running loop."""
        loop = asyncio.get_running_loop()
        made = self._made.get(loop)
        if made is None:
            take_closed(self._made)
            made = self._made[loop] = self._make()
        return made

    def forget(self) -> None:
        """Forget all objects, in the child of a fork: they are the parent's."""
        self._made.clear()


_all: weakref.WeakSet[PerLoop[Any]] = weakref.WeakSet()


def _forget_those_of_parent() -> None:
    for one in list(_all):
        one.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_those_of_parent)
