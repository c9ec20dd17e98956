"""The command line on a terminal of its own: what it shows there, and keys that are pressed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Terminal"]

_PATIENCE = 30.0
# The size is that of the terminal, and its colours are wanted.
_ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES", "NO_COLOR"}}
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]")


class Terminal:
    """A running command.

    Args:
        folder: Where it runs.
        args: The command line.
        env: Variables that it gets beside those of this process.
        program: What runs instead of ours.
    """

    def __init__(
        self,
        folder: Path,
        *args: str,
        env: dict[str, str] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "aiojobs_redis"),
    ) -> None:
        self._folder, self._args, self._env = folder, [*program, *args], env or {}
        self._shown = b""

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
        self._process = subprocess.Popen(
            self._args,
            cwd=self._folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**_ENVIRONMENT, "TERM": "xterm-256color", **self._env},
            start_new_session=True,
        )
        os.close(slave)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def raw(self) -> str:
        """All that was written so far, with its control sequences."""
        return self._shown.decode(errors="replace")

    @property
    def text(self) -> str:
        """All that was written so far, without them."""
        return _SEQUENCE.sub("", self.raw)

    @property
    def pid(self) -> int:
        """Process id of the command, and of its group."""
        return self._process.pid

    def settle(self) -> str:
        """Read until nothing was written for a second, and return all that was."""
        deadline = time.monotonic() + _PATIENCE
        while self._read(1.0):
            if time.monotonic() > deadline:
                raise AssertionError("it does not stop to write")
        return self.text

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def wait_for(self, text: str, times: int = 1) -> None:
        """Read until a text was shown so many times."""
        deadline = time.monotonic() + _PATIENCE
        while self.text.count(text) < times:
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {text!r}: {self.text[-3000:]}")
            self._read(0.1)

    def interrupt(self) -> int:
        """Press Ctrl-C each second until the command ends, and return its exit code.

        Python hears of one between its last look at signals and a read when that read is done.
        """
        return self.wait(press=signal.SIGINT)

    def wait(self, press: signal.Signals | None = None) -> int:
        """Read until the command ends, and return its exit code."""
        deadline = time.monotonic() + _PATIENCE
        pressed = 0.0
        while self._process.poll() is None:
            if press is not None and time.monotonic() > pressed + 1:
                os.killpg(self.pid, press)
                pressed = time.monotonic()
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for the end: {self.text[-3000:]}")
            self._read(0.1)
        while self._read(0):
            pass
        return self._process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        # Linux answers with EIO when nobody holds the other end any more.
        with contextlib.suppress(OSError):
            found = os.read(self._master, 65536)
            self._shown += found
            return bool(found)
        return False
