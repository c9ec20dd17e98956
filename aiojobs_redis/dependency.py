"""Parameters that are filled in when a job runs: who asks for what, read at registration.

    db: Pool = Depends()              what the worker's lifespan yielded, by its type
    db: Annotated[Pool, Depends()]    the same
    session: Session = Depends(open_session)    what a provider makes for this job

A provider is a function whose own parameters are filled in likewise. One that yields is closed
after the job. Such parameters are no part of a call: nobody passes them to ``enqueue``.
"""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from aiojobs_redis.callee import callee_of
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.signature import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Depends", "Need", "classes_of", "needs_of"]

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

Style = Literal["value", "generator", "async generator"]


class _Dependency:
    """What `Depends` returns: a mark in the place of a value."""

    __slots__ = ("provider",)

    def __init__(self, provider: Callable[..., Any] | None) -> None:
        self.provider = provider

    def __repr__(self) -> str:
        name = getattr(self.provider, "__qualname__", "")
        return f"Depends({name})"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{self!r} is filled in by a worker and has no {name!r} here: "
            "pass the value by keyword to call the function by yourself"
        )


def Depends(provider: Callable[..., Any] | None = None) -> Any:
    """Mark a parameter of a task that is filled in when the job runs.

    As its default, or in ``Annotated``. A default also tells a type checker that callers of
    ``enqueue`` do not pass it.

    Args:
        provider: What makes the value for each job: a function, sync or async, or a generator
            function that yields it and cleans up behind the yield; a class; or an object whose
            ``__call__`` is such a function. None takes what the worker's ``lifespan`` yielded, by
            the type of the annotation.

    Raises:
        ConfigInvalid: The provider cannot be called.
    """
    if provider is not None and not callable(provider):
        raise ConfigInvalid(f"Depends takes a function that makes the value, got {provider!r:.80}")
    return _Dependency(provider)


@dataclass(frozen=True, slots=True)
class Need:
    """What one parameter asks for.

    Attributes:
        kind: Type of the object wanted of the lifespan; of a provider what it declares.
        provider: What makes the value, None for the lifespan.
        style: What calling the provider gives.
        needs: What the provider itself asks for, by parameter.
    """

    kind: Any
    provider: Callable[..., Any] | None = None
    style: Style = "value"
    needs: Mapping[str, Need] = field(default_factory=dict)

    def shared(self) -> list[Any]:
        """Return the types that are wanted of the lifespan, those of providers included."""
        if self.provider is None:
            return [self.kind]
        return [kind for need in self.needs.values() for kind in need.shared()]


def needs_of(function: Callable[..., Any], name: str) -> dict[str, Need]:
    """Return which parameters of a task are filled in, and with what.

    Args:
        function: The task's function.
        name: The task's name, for messages.

    Raises:
        ConfigInvalid: An annotation cannot be evaluated, or a provider cannot be called as it is.
    """
    return _needs_of(function, name, ())


def _needs_of(
    function: Callable[..., Any], name: str, outer: tuple[Callable[..., Any], ...]
) -> dict[str, Need]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (NameError, TypeError, ValueError):
        if not outer:
            # The codec reads it next, and says so.
            return {}
        raise ConfigInvalid(f"{name}() has no signature to read: declare it with 'def'") from None
    found: dict[str, Need] = {}
    scope: Scope | None = None
    for item in parameters:
        hint: Any = Any
        mark = item.default if isinstance(item.default, _Dependency) else None
        if item.annotation is not item.empty:
            scope = scope or Scope(function, name)
            try:
                hint = scope.hint(item.name, item.annotation)
            except ConfigInvalid:
                # Of a parameter that callers give, the codec says so; a provider knows its type.
                if mark is not None and mark.provider is None:
                    raise
            mark = mark or _mark_in(hint)
        if mark is not None:
            if item.kind not in _BY_NAME:
                raise ConfigInvalid(
                    f"{name}(): {item.name!r} is filled in by keyword, "
                    "but its declaration does not allow that"
                )
            found[item.name] = _need(mark, hint, f"{name}(): {item.name!r}", outer)
        elif (
            outer and item.default is item.empty and item.kind in (*_BY_NAME, item.POSITIONAL_ONLY)
        ):
            raise ConfigInvalid(
                f"the provider {name}() has the parameter {item.name!r}, which nobody fills in: "
                "give it a default, or Depends(...)"
            )
    return found


def _mark_in(hint: Any) -> _Dependency | None:
    if typing.get_origin(hint) is typing.Annotated:
        for extra in hint.__metadata__:
            if extra is Depends:
                return _Dependency(None)
            if isinstance(extra, _Dependency):
                return extra
    return None


def classes_of(kind: Any) -> tuple[Any, ...]:
    """Return the classes by which a shared object is known: those of a union, else one."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(one for part in typing.get_args(kind) for one in classes_of(part))
    return (typing.get_origin(kind) or kind,)


def _need(mark: _Dependency, hint: Any, where: str, outer: tuple[Callable[..., Any], ...]) -> Need:
    kind = hint.__origin__ if typing.get_origin(hint) is typing.Annotated else hint
    provider = mark.provider
    if provider is None:
        _check_kind(kind, where)
        return Need(kind)
    if provider in outer:
        names = " → ".join(_name(each) for each in (*outer, provider))
        raise ConfigInvalid(f"{where} depends on itself: {names}")
    called = callee_of(provider)
    asked = inspect.unwrap(called)
    style: Style = "value"
    if inspect.isasyncgenfunction(asked):
        style = "async generator"
    elif inspect.isgeneratorfunction(asked):
        style = "generator"
    if style != "value" and asked is not called:
        raise ConfigInvalid(
            f"{where}: give Depends the generator function itself, without @asynccontextmanager"
        )
    made = _made_by(provider, style)
    if _is_class(kind) and _is_class(made) and not issubclass(made, kind):
        raise ConfigInvalid(
            f"{where} is annotated {kind.__qualname__}, and {_name(provider)}() makes "
            f"{made.__qualname__}"
        )
    return Need(kind, provider, style, _needs_of(provider, _name(provider), (*outer, provider)))


def _is_class(hint: Any) -> bool:
    # From Python 3.11 on Any is a class too.
    return isinstance(hint, type) and hint is not Any


def _made_by(provider: Callable[..., Any], style: Style) -> Any:
    if isinstance(provider, type):
        return provider
    called = callee_of(provider)
    annotation = getattr(called, "__annotations__", {}).get("return", inspect.Parameter.empty)
    if annotation is inspect.Parameter.empty:
        return Any
    try:
        hint = Scope(called, _name(provider)).hint("return", annotation)
    except ConfigInvalid:
        return Any
    if style == "value":
        return hint
    yielded = typing.get_args(hint)
    return yielded[0] if yielded else Any


def _check_kind(kind: Any, where: str) -> None:
    try:
        for one in classes_of(kind):
            if one in (Any, object):
                raise TypeError("every object is one")
            isinstance(0, one)
    except TypeError:
        shown = getattr(kind, "__name__", str(kind))
        raise ConfigInvalid(
            f"{where}: Depends() looks for what the lifespan yields by its type, and cannot tell "
            f"by {shown}. Annotate it with a class, or give Depends a provider."
        ) from None


def _name(provider: Callable[..., Any]) -> str:
    return getattr(provider, "__qualname__", type(provider).__qualname__)
