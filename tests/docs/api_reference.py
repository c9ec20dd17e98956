"""The page of every public name, made from signatures and docstrings.

``python -m tests.docs.api_reference`` writes ``docs/api.md``. The list of names is ``__all__`` of
the modules that users import, so nothing can be public and missing there.
"""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import msgspec

from tests.docs.pages import DOCS

__all__ = ["MODULES", "PAGE", "render"]

PAGE = DOCS / "api.md"
MODULES = (
    "aiojobs_redis",
    "aiojobs_redis.testing",
    "aiojobs_redis.web",
    "aiojobs_redis.contrib.opentelemetry",
    "aiojobs_redis.contrib.prometheus",
    "aiojobs_redis.contrib.starlette",
)

_HEAD = """\
# API reference

Every public name, with its signature and the first words of its documentation; `help(Queue)` has
all of them. What is not here is private, and may change with any release. Written by
`python -m tests.docs.api_reference` from the code. How names go together is told by the other
pages; [Errors](errors.md) says what is raised when.
"""


def render() -> str:
    """Return the page."""
    parts = [_HEAD]
    for name in MODULES:
        module = import_module(name)
        parts.append(f"## {name}\n\n{_first(module)}\n")
        parts += [_entry(one, getattr(module, one)) for one in sorted(module.__all__)]
    return "\n".join(parts)


def _entry(name: str, value: Any) -> str:
    if not inspect.isclass(value):
        shown = f"{name}{_signature(value)}" if inspect.isroutine(value) else name
        text = _first(value) if inspect.isroutine(value) else "A type or a value, for annotations."
        return f"### {name}\n\n```text\n{shown}\n```\n\n{text}\n"
    made = _signature(value)
    if issubclass(value, BaseException | enum.Enum):
        made = f"({', '.join(base.__name__ for base in value.__bases__)})"
    shown = f"class {name}{made}"
    if issubclass(value, BaseException) and "__init__" in vars(value):
        shown += f"\n{name}{_signature(value)}"
    lines = [f"### {name}\n\n```text\n{shown}\n```\n\n{_first(value)}\n"]
    if issubclass(value, enum.Enum):
        lines.append(", ".join(f"`{one.value}`" for one in value) + "\n")
    rows = [f"| `{shown}` | {text} |" for shown, text in _members(value)]
    if rows:
        lines.append("\n".join(["| member | |", "|---|---|", *rows]) + "\n")
    return "\n".join(lines)


def _members(kind: type) -> Iterator[tuple[str, str]]:
    """Yield the documented methods and properties of a class, those of our bases included."""
    for name in sorted(dir(kind)):
        if name.startswith("_"):
            continue
        owner = next(one for one in kind.__mro__ if name in vars(one))
        raw = vars(owner)[name]
        if not owner.__module__.startswith("aiojobs_redis"):
            continue
        if isinstance(raw, property):
            yield name, _cell(_first(raw))
        elif isinstance(raw, staticmethod | classmethod) or inspect.isfunction(raw):
            function = raw if inspect.isfunction(raw) else raw.__func__
            begin = "await " if inspect.iscoroutinefunction(function) else ""
            yield _cell(f"{begin}{name}{_signature(function)}"), _cell(_first(raw))


def _signature(value: Any) -> str:
    """Return parameters and result as they are written in the code."""
    if hasattr(value, "__struct_fields__"):
        # Its annotations name what is imported for type checkers only.
        kinds = {k: v for one in reversed(value.__mro__) for k, v in _annotations(one).items()}
        fields, defaults = value.__struct_fields__, value.__struct_defaults__
        given = dict(zip(fields[len(fields) - len(defaults) :], defaults, strict=True))
        shown = [f"{name}: {kinds[name]}{_default(given, name)}" for name in fields]
        # Behind those that match by place stand those that are given by keyword.
        by_place = len(value.__match_args__)
        if by_place < len(shown):
            shown.insert(by_place, "*")
        return f"({', '.join(shown)})"
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    shown, starred = [], False
    for parameter in signature.parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
        starred = starred or parameter.kind in {parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL}
        shown.append(_parameter(parameter))
    result = signature.return_annotation
    known = result is not signature.empty and not inspect.isclass(value)
    return f"({', '.join(shown)})" + (f" -> {_annotation(result)}" if known else "")


def _annotations(kind: type) -> dict[str, str]:
    return dict(vars(kind).get("__annotations__", {}))


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else stars
    text = f"{stars}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        text += f": {_annotation(parameter.annotation)}"
    given = {} if parameter.default is parameter.empty else {"": parameter.default}
    return text + _default(given, "")


def _default(given: dict[str, Any], name: str) -> str:
    """Return how a default is written, nothing where there is none."""
    if given.get(name, msgspec.NODEFAULT) is msgspec.NODEFAULT:
        return ""
    shown = repr(given[name])
    # An object that stands for "not given" has a repr with its address.
    return f" = {'...' if '<' in shown or len(shown) > 40 else shown}"


def _annotation(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\baiojobs_redis\.[\w.]*\.|\btyping\.|\bcollections\.abc\.", "", text)


def _first(value: Any) -> str:
    """Return the first paragraph of a docstring on one line."""
    paragraph = (inspect.getdoc(value) or "").partition("\n\n")[0]
    return re.sub(r"``([^`]+)``", r"`\1`", " ".join(paragraph.split()))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
