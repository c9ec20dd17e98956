"""How a function in a thread hands back what it returned or raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiojobs_redis.worker.forks import copies, end_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["outcome_of"]


def outcome_of(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Any, BaseException | None]:
    """Call a function in a thread; what it raises is returned beside its value.

    A future carries neither a StopIteration nor a GeneratorExit to whom awaits it.
    """
    before, value, raised = copies(), None, None
    try:
        value = function(*args, **kwargs)
    except BaseException as error:
        raised = error
    end_copy(before, raised)
    return value, raised
