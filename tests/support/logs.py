"""The loggers of the process, as a test found them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["logs_restored"]


@contextmanager
def logs_restored() -> Iterator[None]:
    """Put back levels and handlers of the root and of this package, whatever is done inside."""
    before = {each: (each.level, each.disabled, each.handlers[:]) for each in _loggers()}
    try:
        yield
    finally:
        for each in _loggers():
            level, each.disabled, each.handlers[:] = before.get(each, (logging.NOTSET, False, []))
            each.setLevel(level)


def _loggers() -> list[logging.Logger]:
    named = logging.getLogger().manager.loggerDict.items()
    own = [each for name, each in named if name.startswith("aiojobs_redis")]
    return [logging.getLogger(), *(each for each in own if isinstance(each, logging.Logger))]
