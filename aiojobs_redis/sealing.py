"""Binds what a codec seals to its place: a value that is copied elsewhere is rejected there.

The place is namespace, queue, id, and what kind of value it is: a result is no payload, and the
payload of one job is not that of another. The generation is no part of it, because a replay runs
the stored payload again. Unique jobs of which one may take another's place share a payload: it
belongs to their key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aiojobs_redis.errors import ConfigInvalid, PayloadRejected
from aiojobs_redis.payload_codec import PayloadCodec, netstring

if TYPE_CHECKING:
    from aiojobs_redis.schedule import Schedule

__all__ = ["Kind", "Sealing"]

Kind = Literal[
    "payload",
    "shared",
    "result",
    "error",
    "schedule",
    "progress",
    "log",
    "state",
    "step",
    "once",
    "event",
]

_DOMAIN = b"aiojobs-redis 1"


class Sealing:
    """Seals and opens the values of one queue.

    Args:
        codec: What does it.
        namespace: The queue's namespace.
        queue: The queue's name.

    Raises:
        ConfigInvalid: The codec is none.
    """

    def __init__(self, codec: PayloadCodec, namespace: str, queue: str) -> None:
        if not isinstance(codec, PayloadCodec):
            raise ConfigInvalid(
                f"codec must have the methods seal and open, like SignedCodec and EncryptedCodec; "
                f"got a {type(codec).__name__}"
            )
        self._codec = codec
        self._namespace = namespace
        self._queue = queue
        self._place = netstring(_DOMAIN, namespace.encode(), queue.encode())

    def __repr__(self) -> str:
        return f"<Sealing of queue {self._queue}>"

    def beside(self, queue: str) -> Sealing:
        """Return what the same codec does for another queue of the namespace."""
        return Sealing(self._codec, self._namespace, queue)

    def seal(self, kind: Kind, id: bytes, data: bytes) -> bytes:
        """Return a value as it is to be stored.

        Args:
            kind: What it is.
            id: Id of what it belongs to, in UTF-8.
            data: The value.
        """
        return self._codec.seal(data, self._context(kind, id))

    def open(self, kind: Kind, id: bytes, data: bytes) -> bytes:
        """Return the value of what was found in a place.

        Args:
            kind: What it is to be.
            id: Id of what it is to belong to, in UTF-8.
            data: What was found.

        Raises:
            PayloadRejected: It was not sealed for this place, or was changed since.
        """
        try:
            return self._codec.open(data, self._context(kind, id))
        except PayloadRejected as error:
            of = id.decode(errors="replace") or "no job"
            raise PayloadRejected(
                f"the stored {kind} of {of} in queue {self._queue} was rejected: {error}. Find "
                "out who wrote it; it was not used."
            ) from error.__cause__

    def seal_schedule(self, id: str, schedule: Schedule) -> bytes:
        """Return the payload of a schedule's jobs as it is kept with the schedule."""
        return self.seal("schedule", _schedule_id(id, schedule), schedule.spec)

    def open_schedule(self, id: str, schedule: Schedule) -> bytes:
        """Return the payload of a schedule's jobs.

        Raises:
            PayloadRejected: It is not the one of this schedule with these times and options.
        """
        return self.open("schedule", _schedule_id(id, schedule), schedule.spec)

    def _context(self, kind: Kind, id: bytes) -> bytes:
        return self._place + netstring(kind.encode(), id)


def _schedule_id(id: str, schedule: Schedule) -> bytes:
    # When it ticks is covered like what it runs; which version declared it is not.
    return netstring(id.encode(), schedule.bare())
