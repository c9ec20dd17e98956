"""The public face is a sorted list that agrees with what can be imported, all of it documented."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from types import ModuleType

import pytest

import aiojobs_redis
from aiojobs_redis import errors

PUBLIC = re.compile(r"aiojobs_redis\.(?:testing|web|contrib\.[a-z]\w*)")


def public_modules() -> list[str]:
    """Name the modules that users import from; every other path is private."""
    found = pkgutil.walk_packages(aiojobs_redis.__path__, "aiojobs_redis.")
    return ["aiojobs_redis", *sorted(m.name for m in found if PUBLIC.fullmatch(m.name))]


def visible(module: ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }


def undocumented(value: object, name: str) -> list[str]:
    missing = [] if inspect.getdoc(value) else [name]
    if inspect.isclass(value):
        for member, attribute in vars(value).items():
            function = (
                attribute.__func__
                if isinstance(attribute, (classmethod, staticmethod))
                else attribute
            )
            documented = inspect.isfunction(function) or isinstance(function, property)
            if (
                documented
                and not member.startswith("_")
                and not inspect.getdoc(getattr(value, member))
            ):
                missing.append(f"{name}.{member}")
    return missing


def test_all_is_sorted_and_holds_what_the_package_shows() -> None:
    listed = aiojobs_redis.__all__

    assert list(listed) == sorted(listed)
    assert set(aiojobs_redis._HOMES) == set(listed)
    for name in listed:
        getattr(aiojobs_redis, name)
    assert set(listed) - {"__version__"} == visible(aiojobs_redis)


def test_every_error_is_exported() -> None:
    assert set(errors.__all__) <= set(aiojobs_redis.__all__)


@pytest.mark.parametrize("name", public_modules())
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    module = import_module(name)
    exported = [n for n in module.__all__ if n != "__version__"]

    assert module.__doc__
    assert exported
    # A plain value, such as an alias of a type, has no docstring of its own.
    values = {n: getattr(module, n) for n in exported}
    documented = {n: v for n, v in values.items() if inspect.isclass(v) or inspect.isroutine(v)}
    assert [gap for n, value in documented.items() for gap in undocumented(value, n)] == []
