"""Groups of commands that name the nearest command when one is misspelt, and what they hold."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, cast

import click

from aiojobs_redis.cli.exits import Misuse, as_failures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["Changing", "DefaultGroup", "Group", "LazyGroup"]

_SENTENCE = 200
"""Letters of a help text's first sentence, at most."""


class Changing(click.Command):
    """A command that changes something in Redis, which the setting ``read_only`` forbids.

    Args:
        unless: Flags with which it changes nothing.
        settings: As for `click.Command`.
    """

    def __init__(self, *args: Any, unless: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._unless = unless

    def invoke(self, ctx: click.Context) -> Any:
        """Run it.

        Raises:
            Misuse: Nothing is to be changed.
        """
        from aiojobs_redis.cli.settings import is_read_only

        if is_read_only() and not any(ctx.params[flag] for flag in self._unless):
            raise Misuse(
                f"'{ctx.command_path}' changes something, and read_only is set. Nothing was done. "
                "Unset AIOJOBS_REDIS_READ_ONLY (see 'aiojobs-redis config') if you may change it."
            )
        return super().invoke(ctx)


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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, each with the whole first sentence of its help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._about(ctx, name)) for name in self.list_commands(ctx)])

    def _about(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return "" if command is None else command.get_short_help_str(limit=_SENTENCE)


class DefaultGroup(Group):
    """A group that is one of its commands where none is named: APP or an option comes first.

    Args:
        default: Name of that command.
        settings: As for `click.Group`.
    """

    def __init__(self, *args: Any, default: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command before arguments that name none; APP has a colon, a command none."""
        first = args[0] if args else ""
        if first not in ctx.help_option_names and (":" in first or first[:1] in {"", "-"}):
            args = [self._default, *args]
        return super().parse_args(ctx, args)


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

    def _about(self, ctx: click.Context, name: str) -> str:
        # Without loading the command.
        return self.modules[name]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; the package's errors become messages and exit codes."""
        from aiojobs_redis.cli.settings import adopt

        with as_failures():
            adopt(ctx, self.modules)
            if ctx.params.get("parent") is not None:
                from aiojobs_redis.cli.parent import Parent

                ctx.obj = Parent(ctx.params["parent"], held=ctx.params["held"])
                ctx.obj.follow()
            return super().invoke(ctx)
