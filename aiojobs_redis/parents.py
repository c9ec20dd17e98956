"""What a job of a flow reads of the jobs on which it depends."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

from aiojobs_redis.errors import (
    ArgumentsInvalid,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobStateError,
    ResultTooLarge,
)
from aiojobs_redis.job import JobError, JobState
from aiojobs_redis.signature import decoder, evaluated, reason

if TYPE_CHECKING:
    from aiojobs_redis.signature import Encoded

__all__ = ["FromParents", "Parent", "fill_parameters", "parent_parameters"]

T = TypeVar("T")


class _Marker:
    """Says of a parameter that the worker fills it in."""


FromParents: TypeAlias = Annotated[Sequence[T], _Marker]
"""Annotation of a parameter that gets the results of the jobs on which the job depends.

They come in the order of ``depends_on``, then of `WaitFor`, each decoded to the type in the
brackets. Where a parent has none, the attempt fails with what `Parent.result` raises; only a job
with ``on_parent_failure="run"`` gets those of the parents that completed. The parameter is no part
of a call: ``def total(parts: FromParents[int] = ()) -> int``.
"""


@dataclass(frozen=True, slots=True)
class Parent:
    """A job on which the current one depends, as it is now.

    Attributes:
        id: Its id.
        state: Its state; None where there is no record of it any more.
        value: What it returned, as plain data; None if it did not complete.
        too_large: Bytes of a result over the limit, which was not kept; 0 for one that was.
        errors: Its recorded errors, oldest first.
        queue: Name of its queue, None for that of the job itself. A job of another queue is as this
            one was told last, with its result at that time.
    """

    id: str
    state: JobState | None
    value: Any
    too_large: int
    errors: tuple[JobError, ...]
    queue: str | None = None

    def result(self) -> Any:
        """Return what it returned.

        Raises:
            JobFailed: It ended dead.
            JobCancelled: It was cancelled.
            JobNotFound: There is no record of it any more.
            JobStateError: It was replayed, and has not ended yet.
            ResultTooLarge: The result was over the limit.
        """
        last = self.errors[-1] if self.errors else None
        match self.state:
            case JobState.COMPLETED if not self.too_large:
                return self.value
            case JobState.COMPLETED:
                raise ResultTooLarge(
                    f"job {self.id} completed, but its result of {self.too_large} bytes was over "
                    "the limit and was not kept. Store it elsewhere and return a reference."
                )
            case JobState.DEAD if last is not None:
                raise JobFailed(self.id, last.type, last.message, last.traceback)
            case JobState.CANCELLED:
                text = last.message if last else ""
                raise JobCancelled(f"job {self.id} was cancelled: {text or 'no reason given'}")
            case None:
                raise JobNotFound(
                    f"there is no record of job {self.id}: it was removed, or its retention ended. "
                    "Enqueue it again, and what depends on it."
                )
            case _:
                raise JobStateError(
                    f"job {self.id} has no result: it is {self.state}. It was run again after "
                    "this job was released; ask for its state first."
                )


def fill_parameters(
    parameters: Mapping[str, Callable[[Encoded], Any]],
    task: str,
    results: Iterable[tuple[str, bytes]],
) -> dict[str, list[Any]]:
    """Return what a task gets of the jobs on which its job depends, by parameter.

    Args:
        parameters: As `parent_parameters` returns them.
        task: Name of the task, for messages.
        results: Ids and encoded results; empty for a job that has none.

    Raises:
        ArgumentsInvalid: A result does not fit the annotation.
    """
    found: dict[str, list[Any]] = {name: [] for name in parameters}
    for id, encoded in results:
        for name, decode in parameters.items() if encoded else ():
            try:
                found[name].append(decode(encoded))
            except Exception as error:
                raise ArgumentsInvalid(
                    f"{task}() takes results as {name}, and that of job {id} does not fit: "
                    f"{reason(error)}. Annotate the parameter as the tasks return it."
                ) from error
    return found


def parent_parameters(
    function: Callable[..., Any], name: str
) -> dict[str, Callable[[Encoded], Any]]:
    """Return the parameters that are filled in with results, each with what decodes one result.

    Raises:
        ConfigInvalid: The annotation of one cannot be evaluated.
    """
    found: dict[str, Callable[[Encoded], Any]] = {}
    for item in inspect.signature(function).parameters.values():
        hint = item.annotation
        if isinstance(hint, str) and "FromParents" in hint:
            hint = evaluated(function, name, item.name, hint)
        if typing.get_origin(hint) is Annotated and _Marker in getattr(hint, "__metadata__", ()):
            (kind,) = typing.get_args(typing.get_args(hint)[0]) or (Any,)
            found[item.name] = decoder(Any if isinstance(kind, TypeVar) else kind)
    return found
