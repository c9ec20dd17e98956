"""Errors as text, whatever they are: a job whose error could not be told would never end.

To print an error asks it for its notes, its causes and its lines of source, which is code of its
own, and takes a time that grows with its frames. Here nothing fails, and nothing takes long.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import traceback
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiojobs_redis.guarded_log import GuardedLog

__all__ = ["log_error", "message_of", "printed"]

_MOST_FRAMES = 300
"""Of one exception; what they take is about as long as what is kept of a traceback."""
_MOST_FRAMES_OF_ALL = 1000
_MOST_EXCEPTIONS = 500
_WALKED = 10_000


def printed(error: BaseException, trace: TracebackType | None) -> str:
    """Return an error as Python prints it, or as much of that as can be told in short time.

    Args:
        error: The error; nothing it does keeps it from being printed.
        trace: Its traceback.
    """
    short = _shortened(trace)
    try:
        count = sum(1 for _ in itertools.islice(_around(error), _MOST_EXCEPTIONS))
        if count < _MOST_EXCEPTIONS:
            # A few that belong together may have as many frames as one.
            limit = min(_MOST_FRAMES, _MOST_FRAMES_OF_ALL // count)
            return "".join(traceback.format_exception(type(error), error, short, limit))
    except BaseException:  # noqa: S110 - told in other words below
        # Also for an interrupt: the job must get its end first.
        pass
    return f"{_frames(short)}{type(error).__name__}: {message_of(error)}\n"


def message_of(error: BaseException) -> str:
    """Return what an error says."""
    try:
        return str(error)
    except BaseException as broken:
        return f"<no message: {type(broken).__name__} in __str__>"


def log_error(
    logger: logging.Logger | GuardedLog, error: BaseException, message: str, *values: object
) -> None:
    """Log an error with its traceback, and raise nothing: logging does where Python cannot print.

    Args:
        logger: The logger; what the application has put into it may raise, too.
        error: The error.
        message: What is said of it, with ``%s`` for each of the values.
        values: The values.
    """
    # A guarded one would not tell that it failed, and what is said instead is known here.
    logger = logger if isinstance(logger, logging.Logger) else logger.logger
    try:
        logger.error(message, *values, exc_info=error, stacklevel=2)
    except BaseException:
        told = message + "\n%s"
        with contextlib.suppress(BaseException):
            text = printed(error, error.__traceback__).rstrip()
            logger.error(told, *values, text, stacklevel=2)


def _around(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that Python prints with it."""
    waiting, seen = [error], {id(error)}
    while waiting:
        one = waiting.pop()
        yield one
        parts = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        for other in (one.__cause__, one.__context__, *parts):
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)


def _shortened(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the middle of a long traceback.

    One exception object that is raised again and again gets frames with each time, so that there
    may be any number of them: the first ones, where it was raised last, are always there.
    """
    steps: list[TracebackType] = []
    step = trace
    while step is not None and len(steps) < _WALKED:
        steps.append(step)
        step = step.tb_next
    if len(steps) <= _MOST_FRAMES:
        return trace
    half = _MOST_FRAMES // 2
    short: TracebackType | None = None
    for each in reversed(steps[:half] + steps[-half:]):
        short = TracebackType(short, each.tb_frame, each.tb_lasti, each.tb_lineno or 0)
    return short


def _frames(trace: TracebackType | None) -> str:
    try:
        lines = traceback.format_tb(trace, _MOST_FRAMES)
    except BaseException:
        return ""
    return "".join(["Traceback (most recent call last):\n", *lines]) if lines else ""
