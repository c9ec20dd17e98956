"""The end of a command that runs until it is told to stop: exit code 0, at whatever moment."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Stopped", "ends_with_0", "hold_signals", "let_signals_come"]

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Stopped(SystemExit):
    """The command was told to end, while an application was imported perhaps."""


@contextlib.contextmanager
def ends_with_0() -> Generator[None]:
    """Let INT and TERM end the block with exit code 0 where nothing in it handles them itself.

    That is before its event loop runs, and after it: uvicorn raises the signal that stopped it
    once more at its end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, _end) for number in _NUMBERS]
    try:
        yield
    finally:
        for number, handler in zip(_NUMBERS, before, strict=True):
            signal.signal(number, handler)


def hold_signals() -> None:
    """Keep INT and TERM of this thread back until `let_signals_come`.

    What one of them interrupts while uvloop sets its signals up can neither run nor be closed.
    """
    _mask("SIG_BLOCK")


def let_signals_come() -> None:
    """Let INT and TERM come, those first that were kept back."""
    _mask("SIG_UNBLOCK")


def _mask(how: str) -> None:
    # There are no masks on Windows, where nobody sends these either.
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(getattr(signal, how), _NUMBERS)


def _end(*_: object) -> NoReturn:
    # It ends already: one more must not interrupt the event loop while that closes.
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)
    raise Stopped(0)
