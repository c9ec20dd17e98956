"""How a function in a thread hands back what it returned or raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["outcome_of"]


def outcome_of(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Any, BaseException | None]:
    """Call a function in a thread; what it raises is returned beside its value.

    A future carries neither a StopIteration nor a GeneratorExit to whom awaits it.
    """
    try:
        return function(*args, **kwargs), None
    except BaseException as error:
        return None, error
