"""Tasks whose function gets many jobs at once: what of its signature is one job's.

    async def index(documents: list[Document]) -> list[int | Exception]
    jobs:           Document            ─▶ int

A job is made from one item of the list, and its result is one item of the list that comes back.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence, Set
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

import msgspec

from aiojobs_redis.duration import to_ms
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.signature import Scope

if TYPE_CHECKING:
    from datetime import timedelta

    from aiojobs_redis.task import Task

__all__ = ["BatchDecorator", "Batching", "item_signature"]

T = TypeVar("T")
R = TypeVar("R")

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_LISTS = (list, Sequence, Iterable)
_LONGEST_WAIT = 60.0


class Batching(msgspec.Struct, frozen=True):
    """How jobs are put together.

    Attributes:
        size: Jobs a call, at most.
        wait: Seconds that the first job of a call waits for more.
    """

    size: int
    wait: float

    @classmethod
    def of(cls, size: int, wait: float | timedelta) -> Batching:
        """Check and return it.

        Raises:
            ConfigInvalid: A number is out of range.
        """
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 10_000:
            raise ConfigInvalid(f"size must be a whole number from 1 to 10000, got {size!r:.80}")
        seconds = to_ms("wait", wait) / 1000
        if seconds > _LONGEST_WAIT:
            raise ConfigInvalid(f"wait must be at most {_LONGEST_WAIT:g} s, got {seconds:g} s")
        return cls(size, seconds)


class BatchDecorator(Protocol):
    """What `Queue.batch_task` returns: it turns a function of a list into a task of its items."""

    @overload
    def __call__(
        self, function: Callable[[list[T]], Awaitable[None]] | Callable[[list[T]], None], /
    ) -> Task[[T], None]: ...
    @overload
    def __call__(
        self,
        function: Callable[[list[T]], Awaitable[Sequence[R | BaseException]]]
        | Callable[[list[T]], Sequence[R | BaseException]],
        /,
    ) -> Task[[T], R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        """Register the function."""


def item_signature(
    function: Callable[..., Any], name: str, filled_in: Set[str] = frozenset()
) -> Callable[[Any], None]:
    """Return a function with the signature of one job of a batch task.

    Args:
        function: The function of the task.
        name: Name of the task, for messages.
        filled_in: Parameters that no job gives.

    Raises:
        ConfigInvalid: It does not take a list, or does not return one.
    """
    declared, scope = _signature(function, name), Scope(function, name)
    parameters = [each for each in declared.parameters.values() if each.name not in filled_in]
    returns = _hint(scope, "return", declared.return_annotation)
    if typing.get_origin(returns) in (Awaitable, Coroutine):
        returns = typing.get_args(returns)[-1]
    if len(parameters) != 1 or parameters[0].kind not in _BY_PLACE:
        raise ConfigInvalid(
            f"batch task {name}() must take one argument, the list of what its jobs were given; "
            f"it takes {', '.join(each.name for each in parameters) or 'none'}"
        )
    [parameter] = parameters
    kind = _hint(scope, parameter.name, parameter.annotation)
    item = _item(kind)
    if item is None:
        raise ConfigInvalid(
            f"batch task {name}(): {parameter.name!r} must be annotated as a list, "
            f"got {inspect.formatannotation(kind)}"
        )
    result = type(None) if returns in {None, type(None)} else _item(returns)
    if result is None:
        raise ConfigInvalid(
            f"batch task {name}() must return a list with one item a job, or None; "
            f"it is annotated {inspect.formatannotation(returns)}"
        )

    def one(value: Any) -> None: ...

    one.__name__ = one.__qualname__ = name
    place = inspect.Parameter.POSITIONAL_ONLY
    signature = inspect.Signature(
        [inspect.Parameter(parameter.name, place, annotation=item)],
        return_annotation=_without_errors(result),
    )
    one.__signature__ = signature  # type: ignore[attr-defined]
    return one


def _signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (NameError, TypeError, ValueError) as error:
        raise ConfigInvalid(
            f"{name}() has no signature to read: {error}. Declare it with 'def'."
        ) from error


def _hint(scope: Scope, name: str, annotation: Any) -> Any:
    return Any if annotation is inspect.Parameter.empty else scope.hint(name, annotation)


def _item(annotation: Any) -> Any:
    """Return what a list is of, None for what is no list."""
    if annotation is Any:
        return Any
    kind = typing.get_origin(annotation) or annotation
    if kind not in _LISTS:
        return None
    return next(iter(typing.get_args(annotation)), Any)


def _without_errors(annotation: Any) -> Any:
    """Return what an item may be when it is no error."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = [each for each in typing.get_args(annotation) if not _is_error(each)]
        return typing.Union[tuple(kinds)] if kinds else type(None)  # noqa: UP007 - made at run time
    return type(None) if _is_error(annotation) else annotation


def _is_error(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseException)
