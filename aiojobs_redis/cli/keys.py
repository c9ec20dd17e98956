"""Keys that are pressed while a picture is shown."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Keys"]


class Keys:
    """Reads single keys of a terminal: q ends, p holds.

    Args:
        terminal: What to read; None, or what is no terminal, for none.
        hold: Called at each p, with whether the picture is to stay as it is.

    Attributes:
        held: Whether the picture is to stay as it is.
        ended: Set at q.
    """

    def __init__(self, terminal: TextIO | None, hold: Callable[[bool], None]) -> None:
        self.held: bool = False
        self.ended: asyncio.Event = asyncio.Event()
        self._hold = hold
        self._terminal = terminal if terminal is not None and terminal.isatty() else None
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        if self._terminal is not None:
            # Not everywhere; Ctrl-C ends where it is not.
            with contextlib.suppress(ImportError):
                import termios
                import tty

                self._before = termios.tcgetattr(self._terminal)
                tty.setcbreak(self._terminal)
                asyncio.get_running_loop().add_reader(self._terminal.fileno(), self._read)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._terminal is not None and self._before is not None:
            import termios

            asyncio.get_running_loop().remove_reader(self._terminal.fileno())
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    async def wait(self, seconds: float) -> bool:
        """Wait so long, or until q is pressed; whether it was."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        return self.ended.is_set()

    def _read(self) -> None:
        if self._terminal is None:
            return
        for key in os.read(self._terminal.fileno(), 64).decode(errors="ignore"):
            if key in "qQ":
                self.ended.set()
            elif key in "pP":
                self.held = not self.held
                self._hold(self.held)
