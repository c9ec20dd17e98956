"""How a command ends: the exit codes, and the errors that carry them.

Every `AiojobsError` that leaves a command becomes one line on stderr and one of these codes.
"""

from __future__ import annotations

import contextlib
import enum
from typing import TYPE_CHECKING, ClassVar

import click

from aiojobs_redis.cli.texts import printable
from aiojobs_redis.errors import (
    AiojobsError,
    ArgumentsInvalid,
    ConfigInvalid,
    JobCancelled,
    QueueUnavailable,
    TaskNotRegistered,
)

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["ExitCode", "Failure", "Misuse", "TimedOut", "Unavailable", "as_failures", "failure_of"]


class ExitCode(enum.IntEnum):
    """What the exit code of a command says; `text` is the line of it in help and documentation."""

    text: str

    def __new__(cls, value: int, text: str) -> ExitCode:
        """Make a member of a number and its text."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    DONE = 0, "done; a worker that was stopped by a signal or an operator"
    FAILED = 1, "a check or a job failed, or what was asked for is not there; a question was denied"
    USAGE = 2, "the command line, the application or a setting is wrong; nothing was done"
    UNAVAILABLE = 3, "Redis cannot be reached, or refuses this client"
    CANCELLED = 4, "the job that was waited for was cancelled"
    TIMED_OUT = 5, "the time to wait ended before the job did"


class Failure(click.ClickException):
    """Ends the command with a message on stderr: what happened, which value, the next step."""

    exit_code: ClassVar[int] = ExitCode.FAILED

    def format_message(self) -> str:
        """Return the message without control characters: it may quote what a job said."""
        return printable(self.message, keep="\n")


class Misuse(Failure):
    """The command line, the application or an option is wrong."""

    exit_code: ClassVar[int] = ExitCode.USAGE


class Unavailable(Failure):
    """Redis cannot be reached, or refused this client."""

    exit_code: ClassVar[int] = ExitCode.UNAVAILABLE


class _Cancelled(Failure):
    exit_code: ClassVar[int] = ExitCode.CANCELLED


class _Late(Failure):
    exit_code: ClassVar[int] = ExitCode.TIMED_OUT


class TimedOut(AiojobsError):
    """The time to wait for a job ended before the job did."""


def failure_of(error: AiojobsError) -> Failure:
    """Return the failure with the exit code of an error."""
    kinds: dict[type[AiojobsError], type[Failure]] = {
        QueueUnavailable: Unavailable,
        JobCancelled: _Cancelled,
        TimedOut: _Late,
    }
    return kinds.get(type(error), Failure)(str(error))


@contextlib.contextmanager
def as_failures() -> Generator[None]:
    """Turn the package's errors into failures with their exit code."""
    try:
        yield
    except (ArgumentsInvalid, ConfigInvalid, TaskNotRegistered) as error:
        raise Misuse(str(error)) from error
    except AiojobsError as error:
        raise failure_of(error) from error
