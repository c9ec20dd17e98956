"""Which other queues the jobs of one may depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from aiojobs_redis._redis.abroad import name_abroad
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis._redis.producer import NewJob
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.spread import Part

__all__ = ["check_neighbour", "gated", "parent_name", "same_queue"]


def same_queue(one: Queue, other: Queue) -> bool:
    """Whether two objects are one queue: of one name, in one namespace and on one server."""
    return one is other or _place(one) == _place(other)


def check_neighbour(own: Queue, other: Queue) -> None:
    """See that jobs of two queues can depend on each other.

    Raises:
        ConfigInvalid: They are in two namespaces or on two servers, or one of them only seals.
    """
    mine, its = own.store, other.store
    for what, here, there in (
        ("namespace", own.namespace, other.namespace),
        ("Redis", mine.server.label, its.server.label),
        ("codec", mine.sealing is not None, its.sealing is not None),
    ):
        if here != there:
            raise ConfigInvalid(
                f"a job of queue {own.name} cannot depend on one of queue {other.name}: the one "
                f"has the {what} {here}, the other {there}. Give both queues the same url, "
                "namespace and codec."
            )


def parent_name(own: Queue, id: str, queue: Queue | None) -> str:
    """Return how a job is called among the parents of a job of a queue.

    Raises:
        ConfigInvalid: It is of a queue that is none of the neighbours.
    """
    if queue is None or same_queue(own, queue):
        return id
    check_neighbour(own, queue)
    return name_abroad(queue.name, id)


def gated(jobs: Sequence[NewJob], part: Part) -> list[NewJob]:
    """Return the jobs of a part of a flow, each behind its gate.

    All of them, since one behind the first might run whatever becomes of what it depends on.
    """
    return [_behind(job, part.gate) for job in jobs] if part.gate else list(jobs)


def _behind(job: NewJob, gate: str) -> NewJob:
    # A gate that does not open cancels whatever else the job says of its parents.
    options = job.options if job.parents else f"{job.options},fc"
    return msgspec.structs.replace(job, parents=(gate, *job.parents), options=options)


def _place(queue: Queue) -> tuple[str, str, str]:
    return queue.store.server.label, queue.namespace, queue.name
