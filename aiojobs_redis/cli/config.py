"""`config`: every setting with its value, and where that came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.options import examples, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command"]

_CARRIERS = ("worker", "web")
"""Commands whose options are settings."""


@click.command(
    "config", epilog=examples("config", "config --json | jq -r 'select(.of==\"queue\")'")
)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show every setting with its value, and where that came from.

    What the code gives to Queue or Worker comes before all of them, then an option of the command
    line, the environment, [tool.aiojobs_redis] of pyproject.toml, the default.
    """
    from aiojobs_redis.cli.render import show_rows

    rows = [row for row in _rows(ctx) if row is not None]
    show_rows(rows, ["setting", "value", "from"], as_json=as_json, empty="")


def _rows(ctx: click.Context) -> Iterator[dict[str, Any]]:
    from aiojobs_redis.cli.settings import PROJECT_FILE, came_from, is_read_only
    from aiojobs_redis.config import SETTINGS, attempts_from_environment, without_secrets

    options = _options(ctx)
    for found in SETTINGS.values():
        name = found.name
        if name in options:
            option, context = options[name]
            value, source = option.handle_parse_result(context, {}, [])[0], None
            match context.get_parameter_source(name):
                case click.core.ParameterSource.ENVIRONMENT:
                    source = f"environment {found.variable}"
                case click.core.ParameterSource.DEFAULT_MAP:
                    source = PROJECT_FILE
                case _:
                    source = "default"
        elif found.of in _CARRIERS:
            continue
        else:
            value, source = came_from(ctx, name)
            if name == "url":
                value = without_secrets(value)
            elif name == "read_only":
                value = is_read_only()
            elif name == "attempts":
                value = attempts_from_environment() or found.default
        record = {"setting": name, "value": value, "from": source}
        yield record | {"of": found.of, "variable": found.variable, "default": found.default}


def _options(ctx: click.Context) -> dict[str, tuple[click.Option, click.Context]]:
    """Return the options that are settings, each with a context of its command."""
    from aiojobs_redis.cli.settings import SettingOption

    root = ctx.find_root()
    found: dict[str, tuple[click.Option, click.Context]] = {}
    for name in _CARRIERS:
        carrier = (
            root.command.get_command(root, name) if isinstance(root.command, click.Group) else None
        )
        if carrier is not None:
            context = click.Context(carrier, info_name=name, parent=root)
            options = [each for each in carrier.params if isinstance(each, SettingOption)]
            found |= {str(option.name): (option, context) for option in options}
    return found
