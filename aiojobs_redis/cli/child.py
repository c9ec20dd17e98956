"""One process under a supervisor: started, heard of, ended."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import anyio

from aiojobs_redis.cli.parent import READY, TOLD_TO_STOP

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence

    from anyio.abc import Process

__all__ = ["Child", "Program", "start"]

_WORDS = 64
"""More bytes than it ever says."""
_GRACE = re.compile(READY + rb"([\d.e+-]+)")


class Program(NamedTuple):
    """What a process runs.

    Attributes:
        name: What to call it in the log.
        arguments: The command line behind ``aiojobs-redis``.
        tells: Whether it tells when it is ready.
    """

    name: str
    arguments: Sequence[str]
    tells: bool = True


class Child:
    """A running process.

    Attributes:
        reloaded: Whether it was ended to be started again.
        held: Whether it was started to claim no jobs until it is told to.
        grace: Seconds that its running jobs get after a signal, as it says itself; 0 before that.
    """

    def __init__(self, process: Process, line: socket.socket, *, held: bool) -> None:
        self._process = process
        self._line = line
        self._began = time.monotonic()
        self._heard = b""
        self.reloaded = False
        self.held = held
        self.grace: float = 0.0

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def told_to_stop(self) -> bool:
        """Whether it said, as far as it was heard, that an operator ends it."""
        return TOLD_TO_STOP in self._heard

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._began

    async def wait(self) -> int:
        """Wait for its end and return its exit code, negative for a signal."""
        try:
            return await self._process.wait()
        finally:
            # What it said before its end is still to be read.
            with contextlib.suppress(OSError):
                self._hear()

    async def wait_until_ready(self) -> bool:
        """Wait until it claims jobs; False when it ends before that."""
        try:
            await anyio.wait_readable(self._line)
            self._hear()
        except OSError:
            return False
        return READY in self._heard

    def _hear(self) -> None:
        self._heard += self._line.recv(_WORDS)
        if told := _GRACE.search(self._heard):
            self.grace = float(told[1])

    def close(self) -> None:
        """Close the line, when nobody waits for what comes over it."""
        self._line.close()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended gets none."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


async def start(program: Program, *, held: bool = False) -> Child:
    """Start a process in a session of its own, so that a terminal's signals go to the parent only.

    Our end of its line is in no other process: when this one dies, however that is, it closes.

    Args:
        program: What it runs.
        held: Whether it is to claim no jobs until CONT.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        line = ["--parent", str(theirs.fileno()), *(["--held"] if held else [])]
        command = [sys.executable, "-m", "aiojobs_redis", *line, *program.arguments]
        process = await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=None,
            stderr=None,
            start_new_session=True,
            pass_fds=[theirs.fileno()],
        )
    return Child(process, ours, held=held)
