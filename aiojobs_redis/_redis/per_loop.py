"""One object for each event loop, since what waits on a loop cannot be used from another."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PerLoop"]

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes an object at the first use on a loop; a forked child makes its own.

    Args:
        make: Makes one.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}
        self._process = os.getpid()

    def get(self) -> T:
        """Return the object of the running loop."""
        loop = asyncio.get_running_loop()
        if self._process != os.getpid():
            self._made.clear()
            self._process = os.getpid()
        made = self._made.get(loop)
        if made is None:
            for closed in [other for other in self._made if other.is_closed()]:
                del self._made[closed]
            made = self._made[loop] = self._make()
        return made
