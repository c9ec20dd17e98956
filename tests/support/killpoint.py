"""The one moment of a process's life, counted in its Redis commands, at which it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable
from enum import StrEnum
from typing import NoReturn

from tests.support.proxy import Proxy, runs_script

__all__ = ["KillPoint", "Moment"]

_OTHER_SECONDS = 0.05

_is_exchange = runs_script("exchange")


class Moment(StrEnum):
    """Where the counted command stands when its sender is killed."""

    BEFORE = "sent, and not carried out"
    AFTER = "carried out, and its reply not read"
    SECOND = "carried out, and so is a second exchange; neither reply read"
    OVERTAKEN = "not carried out, while a second exchange that follows it was answered"


class KillPoint:
    """Kills what speaks through a proxy at its command number ``number``.

    Args:
        proxy: The proxy, which it takes over.
        number: From 1; 0 only counts.
        moment: Where that command stands then.

    Attributes:
        pid: To be given the process to kill.
        count: Commands that were sent so far, over all connections.
        exchanges: Numbers of those that exchange jobs.
        struck: Set once the process is killed.
        overlapped: Whether a second exchange was on its way then.
    """

    def __init__(self, proxy: Proxy, number: int, moment: Moment) -> None:
        self.pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.count = 0
        self.exchanges: list[int] = []
        self.struck = asyncio.Event()
        self.overlapped = False
        self._number = number
        self._moment = moment
        self._target: list[bytes] | None = None
        self._other_answered = asyncio.Event()
        proxy.before, proxy.after = self._before, self._after

    async def _before(self, words: list[bytes]) -> None:
        if self.struck.is_set():
            await _for_ever()
        self.count += 1
        if _is_exchange(words):
            self.exchanges.append(self.count)
        if self.count != self._number:
            return
        self._target = words
        if self._moment is Moment.OVERTAKEN:
            await self._other()
        if self._moment in (Moment.BEFORE, Moment.OVERTAKEN):
            await self._strike()

    async def _after(self, words: list[bytes]) -> None:
        if words is self._target:
            if self._moment is Moment.SECOND:
                await self._other()
            await self._strike()
        elif self._target is not None and _is_exchange(words):
            self.overlapped = True
            self._other_answered.set()
            if self._moment in (Moment.SECOND, Moment.OVERTAKEN):
                await _for_ever()

    async def _other(self) -> None:
        # There is none where nothing runs whose completion could follow.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._other_answered.wait(), _OTHER_SECONDS)

    async def _strike(self) -> NoReturn:
        os.kill(await self.pid, signal.SIGKILL)
        self.struck.set()
        await _for_ever()
        raise AssertionError("unreachable")


def _for_ever() -> Awaitable[bool]:
    return asyncio.Event().wait()
