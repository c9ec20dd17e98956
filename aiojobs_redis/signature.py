"""Bind a call to a function's signature: which argument belongs where, and which values fit there.

The signature is read once, when the task is declared; a call is then checked by its shape alone,
with no ``inspect`` at run time. A call that passes `Signature.check` is one that Python binds too.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import re
import reprlib
import types
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from aiojobs_redis.callee import names_of
from aiojobs_redis.errors import ArgumentsInvalid, ConfigInvalid

__all__ = [
    "Encoded",
    "Parameter",
    "Scope",
    "Signature",
    "decoder",
    "encode_value",
    "evaluated",
    "reason",
    "result_of",
]

Encoded: TypeAlias = bytes | bytearray | memoryview | msgspec.Raw
"""MessagePack from elsewhere, not to be trusted."""

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_PLAIN: frozenset[type] = frozenset({bool, int, float, str, bytes, types.NoneType})
_REAL: frozenset[type] = frozenset({float, int})
_NOTHING: frozenset[type] = frozenset()
_UNSEEN = (typing.Never, typing.NoReturn)
_WHERE = re.compile(r" - at `\$(.*)`\Z", re.DOTALL)
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 80


def _to_wire(value: Any) -> Any:
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        return dump(value, mode="python", round_trip=True, by_alias=False)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise TypeError(f"values of type {type(value).__qualname__} cannot be sent")


def _from_wire(kind: type, value: Any) -> Any:
    if kind is object:
        return value
    # The wire knows fewer types than a model does, so even a strict model must accept their text.
    return typing.cast("Any", kind).model_validate(value, strict=False, by_name=True, by_alias=True)


def _is_hooked(kind: type) -> bool:
    return kind is object or hasattr(kind, "model_validate")


encode_value: Callable[[Any], bytes] = msgspec.msgpack.Encoder(enc_hook=_to_wire).encode
"""Encode one value; whatever it raises means that the value has no MessagePack form."""


def decoder(kind: Any) -> Callable[[Encoded], Any]:
    """Return what decodes a type; it may raise anything on bytes that do not fit."""
    decode: Callable[[Encoded], Any] = msgspec.msgpack.Decoder(kind, dec_hook=_from_wire).decode
    return decode


def _refuse_custom(annotation: Any) -> None:
    """Raise TypeError for a type that only a hook could decode, which would fail at run time."""
    pending: list[Any] = [msgspec.inspect.type_info(annotation)]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if isinstance(node, tuple):
            pending.extend(node)
        elif (
            isinstance(node, msgspec.inspect.Type | msgspec.inspect.Field) and id(node) not in seen
        ):
            seen.add(id(node))
            if isinstance(node, msgspec.inspect.CustomType) and not _is_hooked(node.cls):
                raise TypeError(f"{node.cls.__qualname__} has no MessagePack form")
            pending.extend(getattr(node, name) for name in node.__struct_fields__)


def _exact(annotation: Any) -> frozenset[type]:
    """Return the types whose values need no second look once they are encoded."""
    annotation = getattr(annotation, "__supertype__", annotation)
    if annotation is Any:
        return _PLAIN
    if annotation is float:
        return _REAL
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _NOTHING.union(*map(_exact, typing.get_args(annotation)))
    return _PLAIN & {annotation} if isinstance(annotation, type) else _NOTHING


def _brief(value: Any) -> str:
    try:
        text = _BRIEF.repr(value)
    except Exception:
        text = "a value"
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__qualname__})"


def reason(error: Exception) -> str:
    """Say why a value could not be encoded or decoded, in at most 200 characters."""
    if isinstance(error, RecursionError):
        return "it contains itself or is nested too deeply"
    if isinstance(error, OverflowError):
        return "integers are limited to 64 bits (-2**63 to 2**64 - 1); send a str"
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."


class Parameter:
    """A parameter, or the result, of a function, and the values that fit there.

    Attributes:
        name: Name of the parameter; ``return`` for the result.
        annotation: The evaluated annotation, ``Any`` where there is none.
        label: The annotation as the source has it, for messages.
        exact: The types whose values fit for certain once they could be encoded.
        decode: Reads one value from MessagePack; may raise anything on bytes that do not fit.

    Raises:
        TypeError: The annotation has no MessagePack form.
    """

    __slots__ = ("annotation", "decode", "exact", "label", "name")

    def __init__(self, name: str, annotation: Any, label: str) -> None:
        _refuse_custom(annotation)
        self.name: str = name
        self.annotation: Any = annotation
        self.label: str = label
        self.exact: frozenset[type] = _exact(annotation)
        self.decode: Callable[[Encoded], Any] = decoder(annotation)

    def fault(self, path: str, value: Any) -> str | None:
        """Say what is wrong with a value, or with one still encoded; None if it fits."""
        shown = value
        try:
            data = encode_value(value)
            if isinstance(value, msgspec.Raw):
                shown = _ANY.decode(value)
        except Exception as error:
            return f"got {_brief(shown)}, which cannot be encoded: {reason(error)}"
        try:
            self.decode(data)
        except Exception as error:
            text = reason(error)
            where = _WHERE.search(text)
            if where:
                return f"got {_brief(shown)}: {text[: where.start()]} at {path}{where[1]}"
            if text.startswith("Expected `") and "`, got `" in text:
                return f"got {_brief(shown)}"
            return f"got {_brief(shown)}: {text}"
        return None


_ANY = Parameter("value", Any, "Any")


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which keywords may, and which must, follow a given number of positional arguments."""

    allowed: frozenset[str]
    required: frozenset[str]


class Signature:
    """What a function takes and returns, with every annotation evaluated.

    Args:
        fn: The function; decorated ones are followed through ``__wrapped__``.
        name: The task's name, for messages.
        exclude: Parameters that somebody else passes by keyword. They are no part of a call, and
            the parameters after them can only be given by keyword.

    Raises:
        ConfigInvalid: `fn` has no readable signature, or an annotation cannot be evaluated.

    Attributes:
        positional: Parameters that a call may give by position, in order.
        named: Parameters that a call may give by keyword.
        extra_positional: The ``*args`` parameter.
        extra_named: The ``**kwargs`` parameter.
        returns: The result; an awaitable counts as what it yields.
        complete: Numbers of positional arguments that need no keywords beside them.
    """

    def __init__(
        self, fn: Callable[..., Any], *, name: str, exclude: frozenset[str] = frozenset()
    ) -> None:
        self._name = name
        try:
            signature = inspect.signature(fn)
        except (NameError, TypeError, ValueError) as error:
            raise ConfigInvalid(
                f"{name}() has no signature to read: {error}. Declare it with 'def'."
            ) from error
        scope = Scope(fn, name)
        positional: list[Parameter] = []
        self.named: dict[str, Parameter] = {}
        self.extra_positional: Parameter | None = None
        self.extra_named: Parameter | None = None
        self._exclude = exclude
        self._needed: list[str] = []
        self._only_by_place = 0
        by_place = True
        for item in signature.parameters.values():
            if item.name in exclude:
                if item.kind not in _BY_NAME:
                    raise ConfigInvalid(
                        f"{name}(): parameter {item.name!r} is passed by keyword, "
                        "but its declaration does not allow that."
                    )
                by_place = False
                continue
            parameter = scope.parameter(item.name, item.annotation)
            if item.kind is inspect.Parameter.VAR_KEYWORD:
                self.extra_named = parameter
                continue
            if item.kind is inspect.Parameter.VAR_POSITIONAL:
                self.extra_positional = parameter if by_place else None
                continue
            if item.kind in _BY_PLACE and by_place:
                positional.append(parameter)
            if item.kind in _BY_NAME:
                self.named[item.name] = parameter
            if item.default is inspect.Parameter.empty:
                self._needed.append(item.name)
                if item.kind is inspect.Parameter.POSITIONAL_ONLY:
                    self._only_by_place = len(positional)
        self.positional: tuple[Parameter, ...] = tuple(positional)
        self._exact = tuple(parameter.exact for parameter in positional)
        self.returns: Parameter = scope.parameter("return", signature.return_annotation)
        self._shapes = tuple(self._shape(count) for count in range(len(positional) + 1))
        self.complete: frozenset[int] = frozenset(
            count for count, shape in enumerate(self._shapes) if not shape.required
        )

    def _shape(self, count: int) -> _Shape:
        taken = {parameter.name for parameter in self.positional[:count]}
        return _Shape(frozenset(self.named.keys() - taken), frozenset(self._needed) - taken)

    def check(self, count: int, names: Set[str]) -> None:
        """Check that a call has every argument it needs and none that has no place.

        Args:
            count: Number of positional arguments.
            names: The keywords.

        Raises:
            ArgumentsInvalid: An argument is missing, unknown, given twice or one too many.
        """
        if not names and count in self.complete:
            return
        shape = self.check_part(count, names)
        if count < self._only_by_place or not shape.required <= names:
            absent = shape.required - (names & shape.allowed)
            missing = [name for name in self._needed if name in absent]
            raise ArgumentsInvalid(
                f"{self._name}() is missing {', '.join(missing)}; "
                f"it was called with {count} positional arguments"
                + (f" and {', '.join(sorted(names))}." if names else ".")
            )

    def check_part(self, count: int, names: Set[str]) -> _Shape:
        """Check that a call has no argument that has no place; others may be missing.

        Args:
            count: Number of positional arguments.
            names: The keywords.

        Returns:
            Which keywords may and must follow.

        Raises:
            ArgumentsInvalid: An argument is unknown, given twice or one too many.
        """
        limit = len(self.positional)
        if count > limit and self.extra_positional is None:
            taken = ", ".join(parameter.name for parameter in self.positional) or "none"
            raise ArgumentsInvalid(
                f"{self._name}() takes at most {limit} positional arguments ({taken}), got {count}."
            )
        shape = self._shapes[min(count, limit)]
        if not names <= shape.allowed:
            self._refuse_keywords(names - shape.allowed, shape)
        return shape

    def _refuse_keywords(self, names: Set[str], shape: _Shape) -> None:
        for name in sorted(names):
            if name in self._exclude:
                raise ArgumentsInvalid(
                    f"{self._name}() does not take {name} from its caller: it is filled in when "
                    "the job runs."
                )
            if name in self.named:
                raise ArgumentsInvalid(
                    f"{self._name}() got {name} both by position and by keyword; give it once."
                )
            if self.extra_named is not None:
                continue
            if any(parameter.name == name for parameter in self.positional):
                raise ArgumentsInvalid(
                    f"{self._name}() takes {name} by position only; give it without the keyword."
                )
            near = difflib.get_close_matches(name, shape.allowed, n=1)
            raise ArgumentsInvalid(
                f"{self._name}() has no parameter {name!r}. "
                + (f"Did you mean {near[0]!r}? " if near else "")
                + f"It takes {', '.join(self.named) or 'no keywords'}."
            )

    def parameters(self, count: int, names: Iterable[str]) -> list[Parameter]:
        """Return the parameter of each argument of a checked call, keywords last."""
        found = list(self.positional[:count])
        if count > len(found):
            found += [self.extra_positional or _ANY] * (count - len(found))
        rest = self.extra_named or _ANY
        found += [self.named.get(name, rest) for name in names]
        return found

    def is_exact(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Tell whether every argument of a checked call fits for certain if it can be encoded."""
        if not args and not kwargs:
            return True
        for value, exact in zip(args, self._exact, strict=False):
            if type(value) not in exact:
                return False
        if not kwargs and len(args) <= len(self._exact):
            return True
        parameters = self.parameters(len(args), kwargs)
        for parameter, value in zip(parameters, (*args, *kwargs.values()), strict=True):
            if type(value) not in parameter.exact:
                return False
        return True

    def fault(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """Say which argument of a checked call does not fit and why; None if all do."""
        paths = [parameter.name for parameter in self.positional[: len(args)]]
        if self.extra_positional is not None:
            rest = range(len(args) - len(paths))
            paths += [f"{self.extra_positional.name}[{index}]" for index in rest]
        parameters = self.parameters(len(args), kwargs)
        values = (*args, *kwargs.values())
        for path, parameter, value in zip((*paths, *kwargs), parameters, values, strict=True):
            fault = parameter.fault(path, value)
            if fault is not None:
                return f"{path}: {parameter.label}, {fault}"
        return None


def result_of(fn: Callable[..., Any], *, name: str) -> Parameter:
    """Return what a function returns, by its annotation alone: its parameters may be anything.

    Args:
        fn: The function; one without a signature may return anything.
        name: How messages call it.

    Raises:
        ConfigInvalid: The annotation cannot be evaluated or has no MessagePack form.
    """
    try:
        annotation = inspect.signature(fn).return_annotation
    except (NameError, TypeError, ValueError):
        return _ANY
    return Scope(fn, name).parameter("return", annotation)


def evaluated(fn: Callable[..., Any], task: str, name: str, annotation: str) -> Any:
    """Return what an annotation of a function's parameter means.

    Raises:
        ConfigInvalid: It cannot be evaluated, or has no MessagePack form.
    """
    return Scope(fn, task).parameter(name, annotation).annotation


class Scope:
    """The names that the annotations of one function may use."""

    def __init__(self, fn: Callable[..., Any], task: str) -> None:
        self._task = task
        fn, self._globals = names_of(fn)
        self._locals: dict[str, Any] = {
            item.__name__: item for item in getattr(fn, "__type_params__", ())
        }
        code: types.CodeType | None = getattr(fn, "__code__", None)
        for name, cell in zip(
            code.co_freevars if code else (), getattr(fn, "__closure__", None) or (), strict=False
        ):
            with contextlib.suppress(ValueError):
                self._locals.setdefault(name, cell.cell_contents)
        # A class that is only used in an annotation is no part of the closure, but the function
        # that defines it usually still runs while its inner function is being declared.
        frame: types.FrameType | None = inspect.currentframe()
        while frame is not None:
            outer = f"{frame.f_code.co_qualname}.<locals>."
            if frame.f_globals is self._globals and fn.__qualname__.startswith(outer):
                self._locals = {**frame.f_locals, **self._locals}
            frame = frame.f_back

    def parameter(self, name: str, annotation: Any) -> Parameter:
        """Evaluate the annotation of a parameter, or of the result as ``return``."""
        if annotation is inspect.Parameter.empty:
            return Parameter(name, Any, "Any")
        label = _label(annotation)
        hint = self.hint(name, annotation)
        try:
            if name == "return" and typing.get_origin(hint) in (Awaitable, Coroutine):
                hint = typing.get_args(hint)[-1]
            # What a wrapper passes on unseen, and a result that never comes, are not looked at.
            if isinstance(hint, typing.ParamSpecArgs | typing.ParamSpecKwargs) or hint in _UNSEEN:
                hint = Any
            return Parameter(name, hint, label)
        except Exception as error:
            raise self._unfit(name, label, error) from error

    def hint(self, name: str, annotation: Any) -> Any:
        """Evaluate an annotation, with what ``Annotated`` adds to it.

        Raises:
            ConfigInvalid: It cannot be evaluated.
        """
        carrier = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            found = typing.get_type_hints(carrier, self._globals, self._locals, include_extras=True)
        except NameError as error:
            raise ConfigInvalid(
                f"{self._task}(): {name!r} is annotated {_label(annotation)}, but {error.name} is "
                "not defined at run time. Define or import it at module level, outside "
                "'if TYPE_CHECKING'."
            ) from error
        except Exception as error:
            raise self._unfit(name, _label(annotation), error) from error
        return found[name]

    def _unfit(self, name: str, label: str, error: Exception) -> ConfigInvalid:
        return ConfigInvalid(
            f"{self._task}(): {name!r} is annotated {label}, which cannot be sent: "
            f"{reason(error)}. Use plain types, msgspec.Struct, dataclasses or Any."
        )


def _label(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
