"""How far a worker is on its way to the end; loops end by looking at it, not by being cancelled.

A cancellation in the middle of a call to Redis would leave it unknown whether it was applied.
"""

from __future__ import annotations

import asyncio

__all__ = ["Stopping"]


class Stopping:
    """The stages of an end.

    Attributes:
        asked: Set when the worker is to claim no more.
        ended: Set when its last completion is accepted; what guards runs goes on until then.
        hurry: Set when pauses are not worth waiting for.
        away: Servers that cannot be reached, by name, with the loop's time at which that began.
    """

    def __init__(self) -> None:
        self.asked: asyncio.Event = asyncio.Event()
        self.ended: asyncio.Event = asyncio.Event()
        self.hurry: asyncio.Event = asyncio.Event()
        self.away: dict[str, float] = {}
