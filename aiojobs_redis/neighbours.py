"""Which other queues the jobs of one may depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from aiojobs_redis._redis.abroad import name_abroad
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis._redis.producer import NewJob
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.spread import Part

__all__ = ["Seat", "check_neighbour", "gated", "parent_name", "same_queue", "seat_of"]


def same_queue(one: Queue, other: Queue) -> bool:
    """Whether two objects are one queue: of one name, in one namespace and on one server."""
    return one is other or seat_of(one)[:3] == seat_of(other)[:3]


def check_neighbour(own: Queue, other: Queue) -> None:
    """See that jobs of two queues can depend on each other.

    Raises:
        ConfigInvalid: They are in two namespaces or on two servers, or one of them only seals.
    """
    seat_of(own).check(seat_of(other))


class Seat(NamedTuple):
    """Where a queue is, in texts: what another process has to tell of it.

    Attributes:
        queue: Its name.
        namespace: Its namespace.
        redis: Its server, as messages call it.
        seals: Whether a codec seals its jobs.
    """

    queue: str
    namespace: str
    redis: str
    seals: bool

    def check(self, other: Seat) -> None:
        """See that jobs of this queue can depend on those of another one.

        Raises:
            ConfigInvalid: They cannot.
        """
        for what, here, there in (
            ("namespace", self.namespace, other.namespace),
            ("Redis", self.redis, other.redis),
            ("codec", self.seals, other.seals),
        ):
            if here != there:
                raise ConfigInvalid(
                    f"a job of queue {self.queue} cannot depend on one of queue {other.queue}: the "
                    f"one has the {what} {here}, the other {there}. Give both queues the same url, "
                    "namespace and codec."
                )

    def name(self, id: str, other: Seat | None) -> str:
        """Return how a job of a queue is called among the parents of a job of this one.

        Raises:
            ConfigInvalid: Its queue is none of the neighbours.
        """
        if other is None or other[:3] == self[:3]:
            return id
        self.check(other)
        return name_abroad(other.queue, id)


def seat_of(queue: Queue) -> Seat:
    """Return where a queue is."""
    store = queue.store
    return Seat(queue.name, queue.namespace, store.server.label, store.sealing is not None)


def parent_name(own: Queue, id: str, queue: Queue | None) -> str:
    """Return how a job is called among the parents of a job of a queue.

    Raises:
        ConfigInvalid: It is of a queue that is none of the neighbours.
    """
    if queue is None or queue is own:
        return id
    return seat_of(own).name(id, seat_of(queue))


def gated(jobs: Sequence[NewJob], part: Part) -> list[NewJob]:
    """Return the jobs of a part of a flow, each behind its gate.

    All of them, since one behind the first might run whatever becomes of what it depends on.
    """
    return [_behind(job, part.gate) for job in jobs] if part.gate else list(jobs)


def _behind(job: NewJob, gate: str) -> NewJob:
    # A gate that does not open cancels whatever else the job says of its parents.
    options = job.options if job.parents else f"{job.options},fc"
    return msgspec.structs.replace(job, parents=(gate, *job.parents), options=options)
