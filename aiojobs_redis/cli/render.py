"""What commands print: tables for people, tab-separated lines for pipes, JSON lines for programs.

Texts out of Redis never reach a terminal as control characters.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.table import lay_out
from aiojobs_redis.cli.texts import json_without_controls, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["has_rich", "json_text", "show_fields", "show_rows", "styled", "text_of"]


def show_rows(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str
) -> None:
    """Print records of one kind.

    Args:
        rows: The records.
        columns: Which of their fields a table shows; JSON has all of them.
        as_json: One JSON object a line instead.
        empty: What to tell people when there is none.
    """
    if as_json:
        for row in rows:
            click.echo(json_text(row))
        return
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(text_of(row.get(column)) for column in columns))
        return
    cells = [[_short(row.get(column)) for column in columns] for row in rows]
    if not rows:
        click.echo(empty, err=True)
    else:
        titles = [column.replace("_", " ") for column in columns]
        head, lines = lay_out(titles, cells, shutil.get_terminal_size().columns)
        click.echo(styled(head, bold=True))
        for line in lines:
            click.echo(line)


def show_fields(record: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one record: a field a line, or one line of JSON."""
    if as_json:
        click.echo(json_text(record))
        return
    width = max(map(len, record)) if sys.stdout.isatty() else 0
    for name, value in record.items():
        name = printable(name)
        label = name.replace("_", " ").ljust(width) + "  " if width else f"{name}\t"
        click.echo(styled(label, dim=True) + text_of(value))


def json_text(value: Any) -> str:
    """Return a value as JSON on one line; what JSON cannot hold is shown as Python does."""
    import msgspec

    try:
        return json_without_controls(msgspec.json.encode(value, enc_hook=repr).decode())
    except (TypeError, ValueError, RecursionError):
        # A dictionary somewhere in it has keys that are neither texts nor numbers.
        shown: Any = repr(value)
        if isinstance(value, dict):
            shown = {str(k): v if isinstance(v, str) else repr(v) for k, v in value.items()}
        return json_without_controls(msgspec.json.encode(shown).decode())


def text_of(value: Any) -> str:
    """Return a value as one line of text."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case datetime():
            return value.astimezone().isoformat(sep=" ", timespec="milliseconds")
        case tuple() if not value:
            return "-"
        case list() | tuple() | dict():
            return printable(json_text(value))
        case _:
            return printable(str(value))


def styled(text: str, **style: Any) -> str:
    """Return the text in a style, plain where NO_COLOR is set; click drops it off a terminal."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **style)


def has_rich() -> bool:
    """Whether rich is installed."""
    return importlib.util.find_spec("rich") is not None


def _short(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return text_of(value)
