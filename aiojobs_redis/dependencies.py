"""On which jobs a job depends, as it is given: handles or ids, checked before any I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MOST_PARENTS", "Dependency", "Handle", "check_dependencies"]

MOST_PARENTS = 250
"""Jobs on which one may depend: its end is written in one script call."""


@runtime_checkable
class Handle(Protocol):
    """What names a job: its handle."""

    @property
    def id(self) -> str:
        """The job's id."""
        ...

    @property
    def queue(self) -> Any:
        """The queue it is in."""
        ...


class Dependency(NamedTuple):
    """A job on which another one depends.

    Attributes:
        id: Its id.
        queue: Its queue; None where only an id was given, of the queue of the other.
    """

    id: str
    queue: Any


def check_dependencies(value: Any, check_id: Callable[[str, Any], str]) -> tuple[Dependency, ...]:
    """Return the jobs that ``depends_on`` names, each once, in their order.

    Raises:
        ConfigInvalid: It is no list of handles and ids, or one of more than 250.
    """
    if isinstance(value, str | bytes | Handle):
        raise ConfigInvalid(f"depends_on takes a list of jobs or ids, got {value!r:.80}")
    try:
        given = list(value)
    except TypeError:
        raise ConfigInvalid(f"depends_on takes a list of jobs or ids, got {value!r:.80}") from None
    found: dict[tuple[int | None, str], Dependency] = {}
    for one in given:
        job = Dependency(one.id, one.queue) if isinstance(one, Handle) else Dependency(one, None)
        check_id("an id in depends_on", job.id)
        # Not by the name of the queue: another server may have one of that name.
        where = None if job.queue is None else id(job.queue)
        found.setdefault((where, job.id), job)
    if len(found) > MOST_PARENTS:
        raise ConfigInvalid(
            f"depends_on may name {MOST_PARENTS} jobs, got {len(found)}: let jobs in between "
            "join some of them each"
        )
    return tuple(found.values())
