"""The page of every command and option, made from the commands themselves.

``python -m tests.docs.cli_reference`` writes ``docs/cli-reference.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from aiojobs_redis.cli.exits import ExitCode
from aiojobs_redis.cli.main import cli
from aiojobs_redis.config import SETTINGS
from tests.docs.pages import DOCS

__all__ = ["PAGE", "commands", "exit_codes", "render", "settings"]

PAGE = DOCS / "cli-reference.md"

_HEAD = """\
# Command line: every command

Written by `python -m tests.docs.cli_reference` from the commands;
[Command line](cli.md) tells how they go together.
"""


def exit_codes() -> str:
    """Return the table of exit codes."""
    rows = [f"| {code:d} | {code.text} |" for code in ExitCode]
    return "\n".join(["| exit code | meaning |", "|---|---|", *rows])


def settings() -> str:
    """Return the table of settings."""
    rows = ["| key | of | environment variable | default | meaning |", "|---|---|---|---|---|"]
    for setting in SETTINGS.values():
        default = "" if setting.default in (None, ()) else f"`{_shown(setting.default)}`"
        rows.append(
            f"| `{setting.name}` | {setting.of} | `{setting.variable}` | {default} "
            f"| {_cell(setting.text)} |"
        )
    return "\n".join(rows)


def render() -> str:
    """Return the page."""
    parts = [_HEAD]
    for path, command in commands():
        name = " ".join(["aiojobs-redis", *path])
        context = click.Context(command, info_name=name)
        usage = " ".join(command.collect_usage_pieces(context))
        parts.append(f"## {' '.join(path)}\n\n```text\n{name} {usage}\n```\n")
        parts.append(f"{_cell(_paragraphs(command.help or ''))}\n")
        rows = [row for param in command.params for row in _row(param, context)]
        if rows:
            parts.append("\n".join(["| option | meaning |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def commands(
    group: click.Group = cli, *path: str
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield each command with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


def _row(param: click.Parameter, context: click.Context) -> Iterator[str]:
    if not isinstance(param, click.Option) or param.hidden:
        return
    flags = ", ".join(f"`{flag}`" for flag in [*param.opts, *param.secondary_opts])
    if not param.is_flag:
        flags = f"{flags} `{param.make_metavar(context)}`"
    notes = [param.help or ""]
    if param.default not in (None, ()) and param.show_default:
        notes.append(f"Default: `{_shown(param.default)}`.")
    if param.envvar:
        notes.append(f"`{param.envvar}` sets it too.")
    if param.multiple:
        notes.append("May be repeated.")
    yield f"| {_cell(flags)} | {_cell(' '.join(note for note in notes if note))} |"


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _paragraphs(text: str) -> str:
    return "\n\n".join(re.sub(r"\s+", " ", part).strip() for part in text.split("\n\n"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*.py", "`*.py`")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
