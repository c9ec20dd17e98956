"""What several commands take, and how each of them gives its examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import click

from aiojobs_redis.cli.completion import complete_app, complete_queue, complete_task
from aiojobs_redis.cli.numbers import Whole

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

__all__ = [
    "app_argument",
    "error_option",
    "examples",
    "json_option",
    "limit_option",
    "queue_of_app",
    "task_option",
    "yes_option",
]

app_argument: Decorator = click.argument("app", shell_complete=complete_app)
json_option: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line."
)
limit_option: Decorator = click.option(
    "--limit",
    type=Whole(1, 100_000),
    default=50,
    show_default=True,
    help="Jobs to show at most.",
)
error_option: Decorator = click.option(
    "--error", metavar="TYPE", help="Only those whose last error is this."
)
yes_option: Decorator = click.option("--yes", is_flag=True, help="Do not ask.")
task_option: Decorator = click.option(
    "--task", metavar="NAME", shell_complete=complete_task, help="Only jobs of this task."
)


def queue_of_app(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument APP and the option that picks one of its queues."""
    pick = click.option(
        "-q",
        "--queue",
        "queue_name",
        metavar="NAME",
        shell_complete=complete_queue,
        help="Which queue, where APP has several.",
    )
    return app_argument(pick(command))


def examples(*lines: str) -> str:
    """Return the block of examples that ends a help text."""
    # The backspace keeps click from filling the lines.
    return "\n".join(["\b", "Examples:", *(f"  aiojobs-redis {line}" for line in lines)])
