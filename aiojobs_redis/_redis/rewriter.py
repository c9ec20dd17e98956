"""Gives a job that waits other arguments: its spec is read, written anew, and put in its place.

Between the read and the write others may change the job: the script compares what was read, and
where that is another by now, all of it is done again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis._redis.inspector import STATES
from aiojobs_redis.errors import ArgumentsInvalid, JobNotFound, JobStateError, PayloadTooLarge
from aiojobs_redis.spec import SpecWriter, read_header, read_spec
from aiojobs_redis.unique import sealed_for

if TYPE_CHECKING:
    from aiojobs_redis._redis.store import Store

__all__ = ["change_call"]


async def change_call(store: Store, id: str, task: str, call: bytes, max_payload: int) -> None:
    """Give a job another call of its task; all its options stay.

    Args:
        store: The queue.
        id: The job's id.
        task: Name of the task.
        call: The encoded arguments.
        max_payload: Bytes of a spec, at most.

    Raises:
        ArgumentsInvalid: The job is one of another task, or its spec does not decode.
        JobNotFound: There is no record of it.
        JobStateError: It does not wait any more; nothing was changed.
        PayloadTooLarge: The spec would be over the limit; nothing was changed.
        PayloadRejected: The queue has a codec, and did not seal the job.
        QueueUnavailable: Redis did not answer; it may have been changed.
    """
    key, letter = id.encode(), "!"
    while letter == "!":
        rows = await store.ask("inspect", id)
        blob: bytes = rows[0][1] if rows else b""
        if not blob:
            raise JobNotFound(f"there is no record of job {id} in queue {store.queue}")
        head, _, body = blob.partition(b"\n")
        place, sealing = sealed_for(read_header(head), key), store.sealing
        spec = read_spec(body if sealing is None else sealing.open(*place, body))
        if spec.task != task:
            raise ArgumentsInvalid(
                f"job {id} is one of the task {spec.task!r}, and the call one of {task!r}: remove "
                "the job and enqueue another one. Nothing was changed."
            )
        new = SpecWriter(task).write(call, spec.options, spec.headers)
        if sealing is not None:
            new = sealing.seal(*place, new)
        if len(new) > max_payload:
            raise PayloadTooLarge(
                f"the payload of {task!r} would be {len(new)} bytes, the limit of queue "
                f"{store.queue} is {max_payload}: store large data elsewhere and pass a reference, "
                "or raise max_payload. Nothing was changed."
            )
        letter = (await store.ask("change", id, blob, new)).decode()
    if not letter:
        raise JobNotFound(f"there is no record of job {id} in queue {store.queue}")
    if not letter.isupper():
        raise JobStateError(
            f"job {id} cannot be given other arguments: it is {STATES.get(letter, 'damaged')}. "
            "Nothing was changed."
        )
