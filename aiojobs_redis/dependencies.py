"""On which jobs a job depends, and what the failure of each means; checked before any I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    NamedTuple,
    Protocol,
    TypeVar,
    get_args,
    runtime_checkable,
)

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "MOST_PARENTS",
    "Dependency",
    "Edge",
    "Handle",
    "OnFailure",
    "check_dependencies",
    "check_policy",
    "failure_letters",
    "only_once",
]

_LETTERS = {"fail": "f", "run": "r", "run_now": "n", "cancel": "c"}
T_co = TypeVar("T_co", covariant=True)
OnFailure = Literal["fail", "run", "run_now", "cancel"]
"""What the failure of a job means for one that depends on it."""

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


def check_policy(option: str, value: Any) -> OnFailure:
    """Return what a failure is to mean.

    Raises:
        ConfigInvalid: It is none of ``fail``, ``run``, ``run_now`` and ``cancel``.
    """
    policy: OnFailure
    for policy in get_args(OnFailure):
        if value == policy:
            return policy
    raise ConfigInvalid(
        f"{option} must be one of {', '.join(get_args(OnFailure))}, got {value!r:.80}"
    )


@dataclass(frozen=True, slots=True)
class Edge(Generic[T_co]):
    """A job on which another one depends, with what its failure means for that one.

    In ``depends_on`` around a handle or an id; in `chain`, `group` and `join` around a call or a
    flow, for what stands behind it. Without it the dependent's ``on_parent_failure`` says so.

    Args:
        job: The job, call or flow. Of a flow it is about its ends; an edge within it goes first.
        on_failure: What it means if it ends dead or cancelled: ``fail`` ends the dependent dead,
            ``cancel`` cancels it and what is behind it, ``run`` lets it run all the same once the
            others have ended, ``run_now`` without waiting for them.

    Raises:
        ConfigInvalid: ``on_failure`` is none of them, or an edge was given as the job.
    """

    job: T_co
    on_failure: OnFailure

    def __post_init__(self) -> None:
        check_policy("on_failure", self.on_failure)
        if isinstance(self.job, Edge):
            raise ConfigInvalid("Edge takes a job, a call or a flow, got an Edge: give one of them")


class Dependency(NamedTuple):
    """A job on which another one depends.

    Attributes:
        id: Its id.
        queue: Its queue; None where only an id was given, of the queue of the other.
        on_failure: What its failure means; None where the other one says so.
    """

    id: str
    queue: Any
    on_failure: OnFailure | None = None


def failure_letters(policies: Iterable[OnFailure | None], otherwise: OnFailure) -> str:
    """Return what the failures of parents mean, as scripts read it.

    Args:
        policies: Of each parent; None where it is as for all others.
        otherwise: What it is then, also of those that come later.
    """
    letters = "".join(_LETTERS[policy or otherwise] for policy in policies)
    usual = _LETTERS[otherwise]
    return usual if set(letters) == {usual} else usual + letters


def only_once(job: str, before: OnFailure | None, policy: OnFailure | None) -> None:
    """See that a job which is named twice is named alike.

    Raises:
        ConfigInvalid: Its failure would mean two things.
    """
    if before != policy:
        raise ConfigInvalid(
            f"depends_on names job {job!r:.80} twice, with on_failure {before} and {policy}: "
            "name it once"
        )


def check_dependencies(value: Any, check_id: Callable[[str, Any], str]) -> tuple[Dependency, ...]:
    """Return the jobs that ``depends_on`` names, each once, in their order.

    Raises:
        ConfigInvalid: It is no list of handles, ids and edges to them, or one of more than 250;
            or a job is named twice, and not alike.
    """
    if isinstance(value, str | bytes | Handle | Edge):
        raise ConfigInvalid(f"depends_on takes a list of jobs or ids, got {value!r:.80}")
    try:
        given = list(value)
    except TypeError:
        raise ConfigInvalid(f"depends_on takes a list of jobs or ids, got {value!r:.80}") from None
    found: dict[tuple[int | None, str], Dependency] = {}
    for one in given:
        job = _dependency(one)
        check_id("an id in depends_on", job.id)
        # Not by the name of the queue: another server may have one of that name.
        where = None if job.queue is None else id(job.queue)
        same = found.setdefault((where, job.id), job)
        only_once(job.id, same.on_failure, job.on_failure)
    if len(found) > MOST_PARENTS:
        raise ConfigInvalid(
            f"depends_on may name {MOST_PARENTS} jobs, got {len(found)}: let jobs in between "
            "join some of them each"
        )
    return tuple(found.values())


def _dependency(given: Any) -> Dependency:
    if isinstance(given, Dependency):
        return given
    job, policy = (given.job, given.on_failure) if isinstance(given, Edge) else (given, None)
    if isinstance(job, Handle):
        return Dependency(job.id, job.queue, policy)
    return Dependency(job, None, policy)
