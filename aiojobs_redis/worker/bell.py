"""Waits for the markers of lanes on a connection of its own.

A worker has two bells for each server: one on ``wake`` for lanes with free slots, one on ``due``
for those it leads. They cannot share a connection, since the keys of a blocked call cannot be
changed: a leader that is full must hear of an earlier due time, and must not take the markers of
jobs that others could start.

The markers are hints: a lost one costs at most the second until the next beat. On a stop the
connection is closed under the blocking call, the one call that is ever broken off.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiojobs_redis.worker.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Bell", "due_bell", "wake_bell"]

_BLOCK = 10
_GRACE = 1.0


class Bell:
    """Rings lanes of one server.

    Args:
        lanes: The lanes; on a Cluster one only, since their keys are in different slots.
        key: Short name of the markers' key.
        listening: Which of the lanes to wait for now.
        stopping: Ends it.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        key: str,
        listening: Callable[[Sequence[Lane]], Sequence[Lane]],
        stopping: Stopping,
    ) -> None:
        self._lanes = lanes
        self._key = key
        self._listening = listening
        self._stopping = stopping
        server = lanes[0].store.server
        self._link = server.link()
        self._outage = Outage(f"wait on {key}", server.label, stopping)
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Look again at which lanes to wait for."""
        self._changed.set()

    async def run(self) -> None:
        """Ring until the worker stops."""
        asked = self._stopping.asked
        while not asked.is_set():
            self._changed.clear()
            lanes = {lane.store.keys[self._key]: lane for lane in self._listening(self._lanes)}
            if not lanes:
                await self._changed.wait()
                continue
            try:
                reply = await self._link.call("BZPOPMIN", *lanes, _BLOCK, timeout=_BLOCK + _GRACE)
                self._outage.over()
            except Exception as error:
                # Whatever it is, the beat finds the jobs; without a bell they only start later.
                if not asked.is_set():
                    await self._outage.pause(error)
                continue
            if reply is not None:
                lanes[reply[0]].ring()
        self._link.abort()

    def stop(self) -> None:
        """End the wait at once."""
        self._changed.set()
        self._link.abort()


def wake_bell(lanes: Sequence[Lane], stopping: Stopping) -> Bell:
    """Return a bell for jobs that became ready."""
    return Bell(lanes, "wake", _with_free_slots, stopping)


def due_bell(lanes: Sequence[Lane], stopping: Stopping) -> Bell:
    """Return a bell for a due time earlier than all before it."""
    return Bell(lanes, "due", lambda lanes: [lane for lane in lanes if lane.leads], stopping)


def _with_free_slots(lanes: Sequence[Lane]) -> Sequence[Lane]:
    # A lane that is about to claim settles first, so that all of them go into one call.
    if any(lane.about_to_claim for lane in lanes):
        return ()
    return [lane for lane in lanes if lane.starving]
