"""Jobs that a running one has named, to wait for them: from handles to what exchange.lua takes.

    raise WaitFor(jobs) ── encode_jobs, wherever it ran ──▶ Verdict ── ready_wait ──▶ completion

Handles stay in the process of the attempt; what of them is text goes to the worker, which knows the
job's own queue and asks others for what it needs before the attempt ends (see `abroad`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from aiojobs_redis._redis.abroad import check_abroad, is_abroad
from aiojobs_redis.dependencies import failure_letters
from aiojobs_redis.errors import JobNotFound
from aiojobs_redis.neighbours import Seat, seat_of
from aiojobs_redis.payload_codec import netstring

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aiojobs_redis.dependencies import OnFailure
    from aiojobs_redis.queue import Queue

__all__ = ["Wait", "encode_jobs", "ready_wait"]

_decode = msgspec.msgpack.Decoder(list[tuple[str, Seat | None]]).decode


class Wait(NamedTuple):
    """What a completion says by which a job waits.

    Attributes:
        body: Its value, as name_parents.lua takes it.
        abroad: Names of the jobs of other queues: they are to be asked for once it was taken.
    """

    body: bytes
    abroad: tuple[str, ...]


def encode_jobs(jobs: Iterable[tuple[str, Any]]) -> bytes:
    """Return what a `WaitFor` names.

    Args:
        jobs: Ids, each with its queue; None for that of the job itself.
    """
    pairs = [(id, None if queue is None else seat_of(queue)) for id, queue in jobs]
    return msgspec.msgpack.encode(pairs)


async def ready_wait(queue: Queue, body: bytes, on_parent_failure: OnFailure) -> Wait:
    """Return the completion by which a job of a queue waits for jobs.

    Args:
        queue: The queue.
        body: The jobs, from `encode_jobs`.
        on_parent_failure: What the job says of a failed one, where it has said nothing yet.

    Raises:
        ConfigInvalid: A job is of a queue on which those of this one cannot depend.
        QueueUnavailable: Redis did not answer for a job of another queue.
    """
    own = seat_of(queue)
    names = dict.fromkeys(own.name(*job) for job in _decode(body))
    abroad = tuple(filter(is_abroad, names))
    floors: dict[str, int] = {}
    if abroad:
        try:
            floors = await check_abroad(queue.store, abroad)
        except JobNotFound:
            # The wait for one that is gone ends as any wait for such a one.
            floors = await check_abroad(queue.store, abroad, abroad)
    flat = [text for pair in floors.items() for text in map(str, pair)]
    letter = failure_letters((), on_parent_failure).encode()
    return Wait(netstring(letter, _packed(names), _packed(flat)), abroad)


def _packed(texts: Iterable[str]) -> bytes:
    return netstring(*(text.encode(errors="surrogateescape") for text in texts))
