"""Settings of commands: from the command line, the environment, ``pyproject.toml``, or a default.

An option that is a setting takes the environment and the table by click's own means. Settings of a
`Queue` have no option: what the table says of them is put into the environment, unless that says
something itself, so that every queue of the process and of its children follows it.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aiojobs_redis.cli.exits import Misuse
from aiojobs_redis.config import ATTEMPTS, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiojobs_redis.config import Kind

__all__ = [
    "PROJECT_FILE",
    "SettingOption",
    "adopt",
    "came_from",
    "is_read_only",
    "read_project",
    "setting",
]

PROJECT_FILE = "pyproject.toml"
_TABLE = "[tool.aiojobs_redis]"
_ADOPTED = "aiojobs_redis.adopted"
_AS_IN: Final[Mapping[Kind, str]] = {
    "a text": '"..."',
    "true or false": "true",
    "a whole number": "10",
    "a number": "2.5",
    "a list of texts": '["high:3", "low:1"]',
}
_OTHER_NAMES = {"url": ("REDIS_URL",)}


class SettingOption(click.Option):
    """An option that is a setting; an error of its value says where that came from."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return what to call it in an error."""
        name = self.name or ""
        source = None if ctx is None else ctx.get_parameter_source(name)
        if source is click.core.ParameterSource.ENVIRONMENT:
            return f"{SETTINGS[name].variable} of the environment"
        if source is click.core.ParameterSource.DEFAULT_MAP:
            return f"{name} of {_TABLE} in {PROJECT_FILE}"
        return " / ".join(f"'{flag}'" for flag in self.opts)


def setting(name: str, *flags: str, **attributes: Any) -> Callable[[Any], Any]:
    """Give a command an option that is a setting.

    Args:
        name: Name of the setting, and of the command's parameter.
        flags: How it is written on the command line.
        attributes: As for `click.option`.
    """
    found = SETTINGS[name]
    has_default = found.default not in (None, ())
    return click.option(
        *flags,
        name,
        cls=SettingOption,
        envvar=found.variable,
        show_envvar=True,
        default=found.default if has_default else None,
        show_default=has_default,
        help=found.text,
        **attributes,
    )


def read_project() -> Mapping[str, Any]:
    """Return the table of the settings in the current folder's ``pyproject.toml``.

    Raises:
        Misuse: The file is no TOML, or the table has a key that is no setting.
    """
    path = Path(PROJECT_FILE)
    if not path.is_file():
        return {}
    import tomllib

    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise Misuse(f"{path.resolve()} cannot be read: {error}") from None
    table = found.get("tool", {}).get("aiojobs_redis", {})
    if not isinstance(table, dict):
        raise Misuse(f"{_TABLE} in {path.resolve()} must be a table, got {table!r:.80}")
    for name, value in table.items():
        if name not in SETTINGS:
            near = difflib.get_close_matches(name.replace("-", "_"), SETTINGS, 1, 0.5)
            hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(SETTINGS)}."
            raise Misuse(f"{_TABLE} in {path.resolve()} has no setting {name!r}. {hint}")
        wanted = SETTINGS[name].kind
        if not _is_a(wanted, value):
            raise Misuse(
                f"{name} of {_TABLE} in {path.resolve()} must be {wanted}, as in "
                f"{name} = {_AS_IN[wanted]}; got {value!r:.80}"
            )
        if name == "attempts" and value not in ATTEMPTS:
            # The queue that meets it would blame the environment.
            raise Misuse(
                f"attempts of {_TABLE} in {path.resolve()} must be from {ATTEMPTS[0]} to "
                f"{ATTEMPTS[-1]:,}, got {value}"
            )
    return table


def _is_a(kind: Kind, value: object) -> bool:
    match kind:
        case "a text":
            return isinstance(value, str)
        case "true or false":
            return isinstance(value, bool)
        case "a whole number":
            return isinstance(value, int) and not isinstance(value, bool)
        case "a number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "a list of texts":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)


def adopt(ctx: click.Context, commands: Mapping[str, Any]) -> None:
    """Let the table of ``pyproject.toml`` apply to a command line.

    Args:
        ctx: The context of the whole command line.
        commands: Names of the commands that it has.
    """
    table = read_project()
    ctx.default_map = dict.fromkeys(commands, table)
    adopted: set[str] = set()
    for name, value in table.items():
        found = SETTINGS[name]
        names = (found.variable, *_OTHER_NAMES.get(name, ()))
        if found.of in {"queue", "commands"} and not any(map(os.environ.get, names)):
            os.environ[found.variable] = str(value)
            adopted.add(name)
    ctx.meta[_ADOPTED] = adopted


def is_read_only() -> bool:
    """Whether commands that change something are to be refused.

    Raises:
        Misuse: The environment says neither yes nor no.
    """
    found = SETTINGS["read_only"]
    text = os.environ.get(found.variable) or str(found.default)
    try:
        return bool(click.BOOL.convert(text, None, None))
    except click.BadParameter:
        raise Misuse(f"{found.variable} must be 1 or 0, got {text!r:.80}.") from None


def came_from(ctx: click.Context, name: str) -> tuple[Any, str]:
    """Return the value of a setting that has no option, as text, and where it came from."""
    found = SETTINGS[name]
    adopted: set[str] = ctx.meta.get(_ADOPTED, set())
    for variable in (found.variable, *_OTHER_NAMES.get(name, ())):
        if value := os.environ.get(variable):
            return value, PROJECT_FILE if name in adopted else f"environment {variable}"
    return found.default, "default"
