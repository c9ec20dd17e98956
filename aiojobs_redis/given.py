"""What callers give, checked for its kind: numbers, flags, functions; and how messages name it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_flag", "check_runnable", "check_whole", "named"]

_LARGEST = 2**53
"""Of a whole number without a limit of its own: what Lua counts to."""


def named(value: object) -> str:
    """Return a value of the wrong kind as messages name it, with its type.

    A coroutine that nobody is going to await is closed, or Python would warn of it as well.
    """
    if inspect.iscoroutine(value) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
        value.close()
    try:
        text = repr(value)
    except Exception:
        text = "a value"
    return f"{text:.80} ({type(value).__name__})"


def check_whole(
    name: str, value: int | None, least: int, most: int = _LARGEST, *, optional: bool = False
) -> None:
    """See that a number is whole and within its limits.

    Args:
        name: The parameter.
        value: What was given.
        least: The smallest number.
        most: The largest number.
        optional: Whether None will do, too.

    Raises:
        ConfigInvalid: It is not.
    """
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        limits = f"from {least}" if most == _LARGEST else f"from {least} to {most}"
        other = " or None" if optional else ""
        raise ConfigInvalid(f"{name} must be a whole number {limits}{other}, got {value!r:.80}")


def check_flag(name: str, value: bool) -> None:
    """See that a flag is True or False: a text such as ``"no"`` counts as true everywhere else.

    Raises:
        ConfigInvalid: It is neither.
    """
    if not isinstance(value, bool):
        raise ConfigInvalid(f"{name} must be True or False, got {named(value)}. Nothing was done.")


def check_runnable(what: str, function: Callable[..., Any]) -> None:
    """See that what is to run as a part of a task can be called.

    Args:
        what: The method that runs it, such as ``step``.
        function: What was given.

    Raises:
        ConfigInvalid: It cannot; where it is a coroutine, what to write instead.
    """
    if not callable(function):
        raise ConfigInvalid(
            f"{what} takes a function and its arguments, got {named(function)}: write "
            f"{what}(name, function, argument), without calling the function. Nothing ran."
        )
