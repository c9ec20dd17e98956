"""From the body of a request to the call of a task, checked before anything is written."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.codec import encode_untyped
from aiojobs_redis.errors import ArgumentsInvalid, ConfigInvalid, TaskNotRegistered
from aiojobs_redis.task import BoundCall
from aiojobs_redis.web.api.options import read_options
from aiojobs_redis.web.api.validation import Invalid

if TYPE_CHECKING:
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.web.api.jobs import NewJob

__all__ = ["call_of"]

_ALIVE = 5.0


class UnknownTask(TaskNotRegistered):
    """Neither the application nor a worker that lives knows the task."""

    field = "$.task"


async def call_of(queue: Queue, job: NewJob) -> BoundCall[Any]:
    """Return the call that a body asks for.

    Raises:
        Invalid: An option or the arguments are not acceptable.
        TaskNotRegistered: Neither the application nor a worker that lives knows the task.
    """
    options = read_options(job.options)
    task = queue.tasks.get(job.task)
    try:
        lower = task.defaults.over(queue.defaults) if task is not None else queue.defaults
        options.for_its_key(options.over(lower))
    except ConfigInvalid as error:
        raise Invalid(f"{error}. Nothing was written.", "$.options") from None
    try:
        if task is not None:
            data = task.codec.encode(job.args, job.kwargs)
            call: BoundCall[Any] = BoundCall(task.name, data, options, task)
        else:
            await _require_known(queue, job.task)
            call = BoundCall(job.task, encode_untyped(job.args, job.kwargs), options, None)
    except ArgumentsInvalid as error:
        field = "$.kwargs" if job.kwargs and not job.args else "$.args"
        said = str(error).removesuffix("Nothing was written.").rstrip()
        raise Invalid(f"{said} Nothing was written.", field) from None
    return msgspec.structs.replace(call, bound_by=queue)


async def _require_known(queue: Queue, task: str) -> None:
    counts, workers = await queue.counts(), await queue.workers()
    seen: set[str] = set()
    if counts.workers:
        # By the server's clock, as the count: the newest of them lives, whatever time it is here.
        newest = max(worker.heartbeat_at for worker in workers) if workers else None
        for worker in workers:
            if newest is not None and (newest - worker.heartbeat_at).total_seconds() <= _ALIVE:
                seen.update(worker.tasks)
    if task in seen:
        return
    known = sorted({*queue.tasks, *seen})
    near = difflib.get_close_matches(task, known, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownTask(
        f"there is no task {task!r} in queue {queue.name}: neither the application nor a worker "
        f"that lives knows it.{hint} Known: {', '.join(known[:10]) or 'none'}. Nothing was written."
    )
