"""What a queue tells of itself and of its jobs, and what applications let it tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis._redis.emissions import Emitter
from aiojobs_redis._redis.event_stream import EventStream
from aiojobs_redis._redis.per_loop import PerLoop
from aiojobs_redis.emitted import encode_emitted
from aiojobs_redis.operating import Operating

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.events import EventType

__all__ = ["Telling"]


class Telling(Operating):
    """The part of a `Queue` that is about its events.

    Args:
        store: The queue in Redis.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._emitters = PerLoop(lambda: Emitter(store))

    def events(
        self,
        since: str | datetime | None = None,
        types: Iterable[EventType] | None = None,
    ) -> EventStream:
        """Return what happens in the queue, to be read by ``async for event in queue.events()``.

        Some 2,000 entries are kept, each of up to 64 events. Whoever reads too slowly, or comes
        back too late, gets an event of the type ``gap`` where some are missing.

        Args:
            since: Id of the event behind which to begin, or an aware datetime; None for what
                happens from now on.
            types: The types wanted, None for all; a ``gap`` is always told.

        Raises:
            ConfigInvalid: A type does not exist, or ``since`` is not acceptable.
        """
        return EventStream(self.store, self._find_one, since=since, types=types)

    async def emit(self, name: str, data: object = None) -> None:
        """Tell an event of the application's own, which `events` delivers as an `EmittedEvent`.

        It is about no job: a task says ``current_job().emit()`` for that.

        Args:
            name: Its name, 1 to 256 bytes.
            data: Anything that MessagePack can hold, 16 KiB encoded.

        Raises:
            ConfigInvalid: The name is not acceptable.
            ArgumentsInvalid: The data cannot be encoded.
            PayloadTooLarge: The data takes more than 16 KiB.
            QueueFull: Redis is out of memory; nothing was written.
            QueueUnavailable: Redis did not answer; it may have been written, once.
        """
        await self._emitters.get().emit(encode_emitted(name, data))
