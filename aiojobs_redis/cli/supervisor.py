"""Keeps processes running: starts those again that die, passes signals on, follows the code.

    starting ─▶ up ── ends ──▶ waiting (longer after each short life) ──▶ starting
                 │                └── too many short lives in a row: all are ended, exit code 1
                 ├── an operator ended it from afar: it is not started again
                 ├── exit code 2 or 3: no use in another try; all are ended, the same exit code
                 └── told to stop, or done with --burst: it is not started again

Where it follows the code, what could not start waits for the next change instead, so that a syntax
error ends nothing but the process that met it.

What an operator stops from afar stays stopped, as on a worker without a supervisor: started anew,
under another id, it would go on with what it was to leave alone, and "stop all" would stop nothing.
A TERM from elsewhere, such as a watch on its memory, still has it started again.
"""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, NamedTuple

import anyio

from aiojobs_redis.cli.child import start
from aiojobs_redis.cli.exits import ExitCode
from aiojobs_redis.cli.parent import UNWIND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from anyio.abc import TaskGroup

    from aiojobs_redis.cli.child import Child, Program

__all__ = ["Patience", "Supervisor"]

_log = logging.getLogger("aiojobs_redis.cli")

_ENDS = ("SIGTERM", "SIGINT")
_PASSED_ON = ("SIGTSTP", "SIGCONT", "SIGTTIN")
_HOPELESS = {ExitCode.USAGE, ExitCode.UNAVAILABLE}


class Patience(NamedTuple):
    """How the supervisor deals with processes that die, in seconds.

    Attributes:
        first: Wait before the first new start; twice as long after each further short life.
        longest: Wait at most.
        short: A life of this length or more is no short one.
        most: Short lives in a row, at most.
        unwind: What a process has beyond its grace before it is killed.
        reload: What running jobs have when the code has changed, before they are handed back.
        reloaded: What a process has then before it is killed.
    """

    first: float = 0.1
    longest: float = 10.0
    short: float = 10.0
    most: int = 5
    unwind: float = UNWIND
    reload: float = 3.0
    reloaded: float = 5.0


class Supervisor:
    """Runs each program in a process until all are done, or it is told to stop.

    Args:
        programs: What to run.
        grace: Seconds that running jobs get after a signal.
        burst: Whether one that ends with 0 is done.
        changes: What tells of changes in the code, a file at a time; None to follow none.
        patience: How it deals with processes that die.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        grace: float,
        burst: bool = False,
        changes: Callable[[anyio.Event], AsyncIterator[str]] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._programs = programs
        self._grace = grace
        self._burst = burst
        self._changes = changes
        self._patience = patience or Patience()
        self._children: dict[Program, Child] = {}
        self._ready: set[Program] = set()
        self._quiet = False
        self._stop = anyio.Event()
        self._changed = anyio.Event()
        self._code: int = ExitCode.DONE

    async def run(self) -> int:
        """Run them all; the exit code of the whole."""
        handled = [signal.Signals[name] for name in (*_ENDS, *_PASSED_ON)]
        with anyio.open_signal_receiver(*handled) as signals:
            async with anyio.create_task_group() as helpers:
                helpers.start_soon(self._obey, signals)
                if self._changes is not None:
                    helpers.start_soon(self._follow, self._changes, helpers)
                async with anyio.create_task_group() as group:
                    for program in self._programs:
                        group.start_soon(self._keep, program)
                helpers.cancel_scope.cancel()
        return self._code

    async def _keep(self, program: Program) -> None:
        short_lives = 0
        while not self._stop.is_set():
            try:
                child = await start(program, held=self._quiet)
            except OSError as error:
                # The system has no process, memory or descriptor left for it.
                _log.error("%s cannot be started: %s", program.name, error)
                short_lives += 1
                await self._after_death(program, ExitCode.FAILED, short_lives)
                continue
            code = await self._live(program, child)
            if self._stop.is_set():
                self._judge(program, code)
            elif child.told_to_stop:
                _log.warning(
                    "%s %s, as an operator asked: it is not started again",
                    program.name,
                    _describe(code),
                )
                return
            elif child.reloaded:
                short_lives = 0
            elif self._burst and code == ExitCode.DONE:
                return
            else:
                short_lives = 1 if child.age >= self._patience.short else short_lives + 1
                await self._after_death(program, code, short_lives)

    async def _live(self, program: Program, child: Child) -> int:
        """Follow a process to its end and return its exit code."""
        self._children[program] = child
        _log.info("%s: started, pid %d", program.name, child.pid)
        async with anyio.create_task_group() as beside:
            beside.start_soon(self._kill_late, program, child)
            # It may have been told to stop while the process was being made.
            if self._stop.is_set():
                child.send(signal.SIGTERM)
            elif program.tells:
                beside.start_soon(self._wait_until_ready, program, child)
            await child.wait()
            beside.cancel_scope.cancel()
        child.close()
        del self._children[program]
        self._ready.discard(program)
        return await child.wait()

    async def _wait_until_ready(self, program: Program, child: Child) -> None:
        if not await child.wait_until_ready():
            return
        self._ready.add(program)
        if self._quiet != child.held:
            child.send(signal.SIGTSTP if self._quiet else signal.SIGCONT)
        if len(self._programs) > 1:
            number = len([each for each in self._programs if each.tells])
            _log.info("%d of %d processes are ready", len(self._ready), number)

    async def _after_death(self, program: Program, code: int, short_lives: int) -> None:
        how = _describe(code)
        if code not in _HOPELESS and short_lives <= self._patience.most:
            wait = min(self._patience.first * 2 ** (short_lives - 1), self._patience.longest)
            _log.warning("%s %s: it is started again in %.1f s", program.name, how, wait)
            with anyio.move_on_after(wait):
                await self._stop.wait()
        elif self._changes is not None:
            _log.error("%s %s: it is started again when the code changes", program.name, how)
            await self._changed.wait()
        else:
            again = "" if code in _HOPELESS else f", the last of {short_lives} times in a row"
            _log.error("%s %s%s: ending all. See the log above.", program.name, how, again)
            self._code = code if code in _HOPELESS else ExitCode.FAILED
            self._end()

    def _judge(self, program: Program, code: int) -> None:
        """Take note of how one has ended that was told to."""
        # Before it could take signals, SIGTERM is what ends it.
        if code not in {ExitCode.DONE, -signal.SIGTERM}:
            _log.error("%s %s", program.name, _describe(code))
            self._code = max(self._code, ExitCode.FAILED)

    def _end(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._stop.set()
        self._changed.set()
        for child in self._children.values():
            child.send(number)

    async def _obey(self, signals: AsyncIterator[signal.Signals]) -> None:
        asked = 0
        async for number in signals:
            if number.name in _ENDS:
                asked += 1
                how, now = ("killing" if asked > 2 else "stopping"), " now" * (asked == 2)
                _log.info("%s: %s %d processes%s", number.name, how, len(self._children), now)
                self._end(signal.SIGKILL if asked > 2 else signal.SIGTERM)
                continue
            if number is not signal.SIGTTIN:
                self._quiet = number is signal.SIGTSTP
            # One that is not ready has no handler, and would stop or end.
            for program in self._ready:
                self._children[program].send(number)

    async def _kill_late(self, program: Program, child: Child) -> None:
        await self._stop.wait()
        await anyio.sleep(self._grace + self._patience.unwind)
        # A worker that the code made has a grace of its own, which it may have told since.
        await anyio.sleep(max(0.0, child.grace - self._grace))
        self._kill(program, child)

    def _kill(self, program: Program, child: Child) -> None:
        _log.error("%s does not end: pid %d is killed", program.name, child.pid)
        child.send(signal.SIGKILL)

    async def _follow(
        self, changes: Callable[[anyio.Event], AsyncIterator[str]], helpers: TaskGroup
    ) -> None:
        async for name in changes(self._stop):
            _log.info("%s changed: starting again", name)
            self._changed.set()
            self._changed = anyio.Event()
            for program, child in self._children.items():
                if not child.reloaded:
                    child.reloaded = True
                    child.send(signal.SIGTERM)
                    helpers.start_soon(self._hurry, program, child)

    async def _hurry(self, program: Program, child: Child) -> None:
        await anyio.sleep(self._patience.reload)
        child.send(signal.SIGTERM)
        await anyio.sleep(self._patience.reloaded)
        if self._children.get(program) is child:
            # Its event loop hangs, which the change may mend.
            self._kill(program, child)


def _describe(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
