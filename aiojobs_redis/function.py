"""The function of a task: what can be one, and what the task is called after it.

What a worker could call and would never run, such as a generator, or would run without an object
that it needs, such as a method, is refused where it is registered.
"""

from __future__ import annotations

import functools
import inspect
from types import FunctionType
from typing import Any

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.given import named

__all__ = ["name_of"]


def name_of(function: Any, name: Any) -> str:
    """Return the name of the task of a function.

    Args:
        function: What is registered.
        name: The name that was given; None or an empty one for that of the function.

    Raises:
        ConfigInvalid: It is no function that can be a task, or has no name.
    """
    if not callable(function):
        is_text = isinstance(function, str)
        raise ConfigInvalid(
            f"a task is made of a function, got {named(function)}"
            + (f": give a name as @queue.task(name={function!r:.80})" if is_text else "")
        )
    title: str | None = name or getattr(function, "__name__", None)
    if title is None:
        raise ConfigInvalid(
            f"{named(function)} has no name of its own: give the task one, as with "
            "queue.task(name=...)(function)"
        )
    _check_kind(function, getattr(function, "__qualname__", title))
    return title


def _check_kind(function: Any, title: str) -> None:
    if isinstance(function, type):
        raise ConfigInvalid(
            f"{title!r:.80} is a class, and a task is a function: write one that makes the object "
            "and returns what the job is to return"
        )
    called = function if inspect.isroutine(function) else _call_of(function)
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise ConfigInvalid(
            f"{title!r:.80} is a generator, of which a worker would run nothing: return a list of "
            "what it yields, or tell how far it is with current_job().progress(...)"
        )
    if _is_unbound(function):
        raise ConfigInvalid(
            f"{title!r:.80} is a method, and no worker has the object for its "
            "first parameter: make it a function of the module, or register the method of an "
            "object with queue.task(thing.method)"
        )


def _call_of(thing: Any) -> Any:
    while isinstance(thing, functools.partial):
        thing = thing.func
    return thing if inspect.isroutine(thing) else type(thing).__call__


def _is_unbound(function: Any) -> bool:
    """Tell whether a function is defined in a class, and its first parameter is the object."""
    if not isinstance(function, FunctionType):
        return False
    around = function.__qualname__.rpartition(".")[0]
    if not around or around.endswith("<locals>"):
        return False
    try:
        first = next(iter(inspect.signature(function).parameters), "")
    except (NameError, TypeError, ValueError):
        return False
    return first in {"self", "cls"}
