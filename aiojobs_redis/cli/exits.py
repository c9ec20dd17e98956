"""How a command ends: the exit codes, and the errors that carry them.

Every `AiojobsError` that leaves a command becomes one line on stderr and one of these codes.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from aiojobs_redis.cli.texts import printable
from aiojobs_redis.errors import (
    AiojobsError,
    ArgumentsInvalid,
    ConfigInvalid,
    QueueUnavailable,
    TaskNotRegistered,
)

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["FAILED", "UNAVAILABLE", "USAGE", "Failure", "Misuse", "Unavailable", "as_failures"]

FAILED = 1
"""A check or a job failed, or what was asked for is not there."""
USAGE = 2
"""The command line, the application or an option is wrong; nothing was done."""
UNAVAILABLE = 3
"""Redis cannot be reached, or refused this client."""


class Failure(click.ClickException):
    """Ends the command with a message on stderr: what happened, which value, the next step."""

    exit_code = FAILED

    def format_message(self) -> str:
        """Return the message without control characters: it may quote what a job said."""
        return printable(self.message, keep="\n")


class Misuse(Failure):
    """The command line, the application or an option is wrong."""

    exit_code = USAGE


class Unavailable(Failure):
    """Redis cannot be reached, or refused this client."""

    exit_code = UNAVAILABLE


@contextlib.contextmanager
def as_failures() -> Generator[None]:
    """Turn the package's errors into failures with their exit code."""
    try:
        yield
    except QueueUnavailable as error:
        raise Unavailable(str(error)) from error
    except (ArgumentsInvalid, ConfigInvalid, TaskNotRegistered) as error:
        raise Misuse(str(error)) from error
    except AiojobsError as error:
        raise Failure(str(error)) from error
