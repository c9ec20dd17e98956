"""What the tasks of every measured system do, and how the end of a drain is noticed.

The count is kept in the process that works, by whatever runs the tasks there, so that each system
is asked the same: the last job has run. What it still writes afterwards is not part of its time.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import time

__all__ = ["TASKS", "TASKS_SYNC", "Tally", "tally"]


class Tally:
    """Counts the jobs that have run in this process."""

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self._target = 0
        self.reached: asyncio.Event = asyncio.Event()
        self.at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def expect(self, jobs: int) -> None:
        """Set ``reached`` once that many jobs have run from now on."""
        self._count = itertools.count(1)
        self._target = jobs
        self.reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def one_more(self) -> None:
        """Count a job; from any thread."""
        if next(self._count) == self._target and self._loop is not None:
            self.at = time.perf_counter()
            self._loop.call_soon_threadsafe(self.reached.set)


tally = Tally()
_runs = itertools.count()
_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _stamp(port: int, number: int) -> None:
    now = time.time_ns()
    _socket.sendto(f"{number} {now}".encode(), ("127.0.0.1", port))


def _held(path: str, number: int) -> None:
    _append(path, f"{number} {os.getpid()} {time.time_ns()}\n")


def _note(path: str, what: str, number: int, run: int) -> None:
    _append(path, f"{what} {number} {os.getpid()} {run} {time.time_ns()}\n")


def _append(path: str, line: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


async def noop() -> None:
    """Do nothing."""
    tally.one_more()


async def take(text: str) -> None:
    """Take an argument."""
    tally.one_more()


async def pause() -> None:
    """Wait as for 1 ms of I/O."""
    await asyncio.sleep(0.001)
    tally.one_more()


async def stamp(port: int, number: int) -> None:
    """Send the time of the first line to who waits for it on that UDP port."""
    _stamp(port, number)


async def hold(path: str, number: int, seconds: float) -> None:
    """Write down that the job has started, and go on for that long."""
    _held(path, number)
    await asyncio.sleep(seconds)


async def drill(path: str, number: int, seconds: float, block: bool) -> None:
    """Write down start and end; wait that long between them, or block the event loop as long."""
    run = next(_runs)
    _note(path, "start", number, run)
    try:
        if block:
            time.sleep(seconds)
        else:
            await asyncio.sleep(seconds)
    except BaseException:
        _note(path, "stopped", number, run)
        raise
    _note(path, "end", number, run)


def noop_sync() -> None:
    """Do nothing."""
    tally.one_more()


def take_sync(text: str) -> None:
    """Take an argument."""
    tally.one_more()


def pause_sync() -> None:
    """Wait as for 1 ms of I/O."""
    time.sleep(0.001)
    tally.one_more()


def stamp_sync(port: int, number: int) -> None:
    """Send the time of the first line to who waits for it on that UDP port."""
    _stamp(port, number)


def hold_sync(path: str, number: int, seconds: float) -> None:
    """Write down that the job has started, and go on for that long."""
    _held(path, number)
    time.sleep(seconds)


TASKS = {
    "noop": noop,
    "take": take,
    "pause": pause,
    "stamp": stamp,
    "hold": hold,
    "drill": drill,
}
TASKS_SYNC = {
    "noop": noop_sync,
    "take": take_sync,
    "pause": pause_sync,
    "stamp": stamp_sync,
    "hold": hold_sync,
}
