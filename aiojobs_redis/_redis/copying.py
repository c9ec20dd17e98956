"""Reads a stored job as a call that can be enqueued once more, with every option that it had.

A copy with an option less is another promise: a job that is never delivered twice would have one
that is. So what is not understood is refused, not left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aiojobs_redis.errors import ArgumentsInvalid, ConfigInvalid, JobNotFound
from aiojobs_redis.options import JobOptions, stored_options
from aiojobs_redis.spec import read_header, read_spec
from aiojobs_redis.unique import read_unique, sealed_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiojobs_redis._redis.store import Store

__all__ = ["StoredCall", "read_call"]

_RECORD_FIELDS = 10


class StoredCall(NamedTuple):
    """What a job was enqueued with.

    Attributes:
        task: Name of the task.
        call: The encoded arguments.
        options: Every option, those at their defaults too.
    """

    task: str
    call: bytes
    options: JobOptions


async def read_call(
    store: Store, id: str, positional: Callable[[str], Sequence[str]]
) -> StoredCall:
    """Return the call of a job.

    Args:
        store: The queue.
        id: The job's id.
        positional: Returns the names of the parameters of a task that may be given by position;
            none where its code is not at hand.

    Raises:
        ArgumentsInvalid: Its spec does not decode.
        ConfigInvalid: One of its options cannot be read.
        JobNotFound: There is no record of it.
        PayloadRejected: The queue has a codec, and did not seal the job.
        QueueUnavailable: Redis did not answer.
    """
    rows = await store.ask("inspect", id)
    blob, run = (rows[0][1], rows[0][2]) if rows else (b"", b"")
    if not blob:
        raise JobNotFound(f"there is no record of job {id} in queue {store.queue} any more")
    head, _, body = blob.partition(b"\n")
    place, sealing = sealed_for(read_header(head), id.encode()), store.sealing
    try:
        spec = read_spec(body if sealing is None else sealing.open(*place, body))
    except ArgumentsInvalid as error:
        raise ArgumentsInvalid(
            f"job {id} cannot be copied: {error}. Nothing was enqueued."
        ) from error
    # What was changed since, such as the priority, stands behind the fields of its record.
    header = read_header(head) | read_header(b",".join(run.split(b",")[_RECORD_FIELDS:]))
    call = bytes(spec.call)
    try:
        options = stored_options(header, spec.options, spec.headers)
        if "u" in header:
            names = positional(spec.task)
            options.values["unique"] = read_unique(header["u"], spec.task, call, names)
    except ConfigInvalid as error:
        raise ConfigInvalid(
            f"job {id} cannot be copied: {error}. A copy without it would not be the same job; "
            "enqueue it by hand. Nothing was enqueued."
        ) from None
    return StoredCall(spec.task, call, options)
