"""How a command ends: the exit codes, and the errors that carry them.

Every `AiojobsError` that leaves a command becomes one line on stderr and one of these codes.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from aiojobs_redis.errors import (
    AiojobsError,
    ArgumentsInvalid,
    ConfigInvalid,
    QueueUnavailable,
    TaskNotRegistered,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FAILED", "UNAVAILABLE", "USAGE", "Failure", "as_failures"]

FAILED = 1
"""A check or a job failed, or what was asked for is not there."""
USAGE = 2
"""The command line, the application or an option is wrong; nothing was done."""
UNAVAILABLE = 3
"""Redis cannot be reached, or refused this client."""

_MISUSE = (ArgumentsInvalid, ConfigInvalid, TaskNotRegistered)


class Failure(click.ClickException):
    """Ends the command with a message on stderr.

    Args:
        message: What happened, with which value, and the next step.
        exit_code: One of the codes of this module.
    """

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextlib.contextmanager
def as_failures() -> Iterator[None]:
    """Turn the package's errors into failures with their exit code."""
    try:
        yield
    except AiojobsError as error:
        code = FAILED
        if isinstance(error, QueueUnavailable):
            code = UNAVAILABLE
        elif isinstance(error, _MISUSE):
            code = USAGE
        raise Failure(str(error), code) from error
