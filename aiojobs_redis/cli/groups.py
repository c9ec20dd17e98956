"""Groups of commands that name the nearest command when one is misspelt."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, cast

import click

from aiojobs_redis.cli.exits import as_failures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["Group", "LazyGroup"]


class Group(click.Group):
    """A group that answers a misspelt command with the nearest ones."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was asked for.

        Raises:
            UsageError: There is none of that name.
        """
        name = args[0]
        known = self.list_commands(ctx)
        if name in known or name.startswith("-"):
            return super().resolve_command(ctx, args)
        near = difflib.get_close_matches(name, known, 3)
        names, lead = (near, "Did you mean") if near else (known, "The commands are")
        end = "?" if near else "."
        raise click.UsageError(
            f"There is no command {name!r}. {lead} {' or '.join(near) or ', '.join(names)}{end}",
            ctx,
        )


class LazyGroup(Group):
    """A group that loads the module of a command when that command is asked for.

    Args:
        modules: One line on each command, by its name.
        package: Where the modules of these names are; each has the command as ``command``.
        settings: As for `click.Group`.
    """

    def __init__(self, *, modules: Mapping[str, str], package: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.modules = modules
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which they were given."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None where there is none of that name."""
        if cmd_name not in self.modules:
            return None
        module = importlib.import_module(f"{self._package}.{cmd_name.replace('-', '_')}")
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.modules.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; the package's errors become messages and exit codes."""
        with as_failures():
            return super().invoke(ctx)
