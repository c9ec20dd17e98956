"""How many jobs run at once: counted inside the tasks, and held there while a test looks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Gauge"]


class Gauge:
    """Counts who is inside, and keeps them inside until the gate opens.

    Attributes:
        now: How many are inside.
        most: The most that ever were.
        entered: How many have come in, in all.
    """

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.entered = 0
        self._gate = asyncio.Event()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Count the caller in, and out at the end."""
        self.now += 1
        self.entered += 1
        self.most = max(self.most, self.now)
        try:
            yield
        finally:
            self.now -= 1

    async def pass_through(self) -> None:
        """Be inside until the gate is open."""
        with self.inside():
            await self._gate.wait()

    def open(self) -> None:
        """Let everybody out, and those who come later straight through."""
        self._gate.set()

    def close(self) -> None:
        """Keep in who comes from now on."""
        self._gate.clear()
