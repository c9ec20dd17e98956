"""The function that a call of something callable runs, and the names its annotations may use."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["callee_of", "names_of"]


def callee_of(fn: Callable[..., Any]) -> Any:
    """Return the function that is declared for what can be called.

    That of an object is the ``__call__`` of its class, and that of a class what makes an object:
    of its own or of its first base that has any. It may be wrapped.

    Args:
        fn: A function or a method, a class, an object that can be called, or a partial of one.
    """
    while isinstance(fn, functools.partial):
        fn = fn.func
    if isinstance(fn, type) and type(fn).__call__ is type.__call__:
        return _maker_of(fn)[1]
    return fn if inspect.isroutine(fn) else type(fn).__call__


def names_of(fn: Callable[..., Any]) -> tuple[Any, dict[str, Any]]:
    """Return the function that is declared, without what wraps it, and the names of its module."""
    while isinstance(fn, functools.partial) or hasattr(fn, "__wrapped__"):
        fn = fn.func if isinstance(fn, functools.partial) else inspect.unwrap(fn)
    made = fn
    if not hasattr(fn, "__globals__"):
        fn = inspect.unwrap(callee_of(fn))
    names: dict[str, Any] = getattr(fn, "__globals__", {})
    if isinstance(made, type):
        module = _maker_of(made)[0].__module__
        if names.get("__name__") != module and module in sys.modules:
            # Written by a library, as for a named tuple, it has a module of its own.
            names = vars(sys.modules[module])
    return fn, names


def _maker_of(made: type) -> tuple[type, Any]:
    for owner in made.__mro__:
        for name in ("__new__", "__init__"):
            maker = vars(owner).get(name)
            maker = maker.__func__ if isinstance(maker, staticmethod) else maker
            if isinstance(maker, types.FunctionType):
                return owner, maker
    return made, object.__init__
