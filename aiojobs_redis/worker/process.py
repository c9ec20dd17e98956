"""One process for CPU-bound jobs, as its worker sees it.

    started ─▶ idle ── Load, Work ──▶ busy ── answer ──▶ idle
                                       │ └─ Stop, a second in vain ─▶ killed
                                       └─ exits, is killed ─▶ died

It is a fresh interpreter (never a fork of this process, with its threads, locks and connections).
Both ends see the other one's death by the end of the line; of this process's own children that
inherited the line nobody has to know, since the exit is watched too.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Any, cast

from aiojobs_redis.errors import ProcessDied
from aiojobs_redis.worker.errands import Errands
from aiojobs_redis.worker.messages import HEAD, Ended, Errand, Load, Said, Stop, frame, read_answer
from aiojobs_redis.worker.orphan import parent_to_die_with

if TYPE_CHECKING:
    from aiojobs_redis.verdict import Verdict
    from aiojobs_redis.worker.messages import Answer, Request, Work
    from aiojobs_redis.worker.place import Place
    from aiojobs_redis.worker.run import Run

__all__ = ["Process"]

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:]; del sys.argv[1:]; "
    "from aiojobs_redis.worker.child import main; main({parent})"
)
_START = 60.0
"""Seconds that an interpreter and the module of a task may take to be there."""
_DYING = 2.0


class _Line(asyncio.SubprocessProtocol):
    """Cuts what a process sends into answers; None says that it has died."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        self.exited: asyncio.Event = asyncio.Event()
        self.speaker: Run | None = None
        self.errands: Errands | None = None
        self._rest = bytearray()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        rest = self._rest
        rest += data
        while len(rest) >= HEAD:
            end = HEAD + int.from_bytes(rest[:HEAD], "big")
            if len(rest) < end:
                return
            answer = read_answer(bytes(rest[HEAD:end]))
            del rest[:end]
            if isinstance(answer, Said):
                if self.speaker is not None:
                    self.speaker.notes.hear(answer.progress, answer.lines)
            elif isinstance(answer, Errand):
                if self.errands is not None:
                    self.errands.start(answer)
            else:
                self.answers.put_nowait(answer)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self.answers.put_nowait(None)

    def process_exited(self) -> None:
        self.answers.put_nowait(None)
        self.exited.set()


class Process:
    """A process that runs one job at a time.

    Attributes:
        jobs: Attempts that it was given.
    """

    def __init__(self, transport: asyncio.SubprocessTransport, line: _Line) -> None:
        self.jobs: int = 0
        self._transport = transport
        self._line = line
        self._loaded: set[Place] = set()

    @classmethod
    async def start(cls) -> Process:
        """Start one.

        Raises:
            ProcessDied: The system has no room for another one.
        """
        from multiprocessing.spawn import get_executable

        executable = get_executable() or sys.executable
        program = _PROGRAM.format(parent=parent_to_die_with())
        paths = [path for path in sys.path if isinstance(path, str)]
        try:
            transport, line = await asyncio.get_running_loop().subprocess_exec(
                _Line, executable, "-c", program, *paths, stderr=None
            )
        except OSError as error:
            raise ProcessDied(f"a process for the job cannot be started: {error}") from error
        return cls(transport, line)

    @property
    def alive(self) -> bool:
        """Whether it can be given a job."""
        return self._transport.get_returncode() is None and self._line.answers.empty()

    async def load(self, place: Place) -> None:
        """See to it that the module of a task is imported.

        Raises:
            ProcessDied: It cannot be imported, or the process died of it.
        """
        if place in self._loaded:
            return
        where = place.module or place.script
        try:
            async with asyncio.timeout(_START):
                answer: Any = await self._ask(Load(place))
        except TimeoutError:
            raise ProcessDied(f"importing {where} in a process took over {_START:g} s") from None
        if answer.error is not None:
            kind, text, trace = answer.error
            raise ProcessDied(f"{where} cannot be imported in a process: {kind}: {text}\n{trace}")
        self._loaded.add(place)

    async def run(self, work: Work, run: Run) -> Verdict:
        """Run an attempt; when that is cancelled, `stop` or `kill` has to follow.

        Args:
            work: The attempt.
            run: What it is said to have said.

        Raises:
            ProcessDied: The process died in the middle of it.
        """
        self.jobs += 1
        run.entered = True
        self._line.speaker = run
        self._line.errands = errands = Errands(run, self._send)
        ended = cast("Ended", await self._ask(work))
        errands.take_state(ended.state)
        return ended.verdict

    async def stop(self, grace: float, why: Stop) -> bool:
        """Ask the attempt to end; whether it did, so that the process can be used again."""
        self._send(why)
        try:
            async with asyncio.timeout(grace):
                answer = await self._line.answers.get()
        except TimeoutError:
            return False
        if isinstance(answer, Ended) and self._line.errands is not None:
            self._line.errands.take_state(answer.state)
        return answer is not None

    def end_errands(self) -> None:
        """Give up what the attempt that has ended still asks for."""
        if self._line.errands is not None:
            self._line.errands.end()
            self._line.errands = None

    def close(self) -> None:
        """Let an idle process end by itself."""
        pipe: Any = self._transport.get_pipe_transport(0)
        if pipe is not None:
            pipe.close()

    async def wait(self) -> None:
        """Return when it has exited; one that does not is killed first."""
        try:
            async with asyncio.timeout(_DYING):
                await self._line.exited.wait()
        except TimeoutError:
            await self.kill()
        else:
            self._transport.close()

    async def kill(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._transport.kill()
        # One in a system call that cannot be interrupted dies when that returns.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DYING):
                await self._line.exited.wait()
        # Its own children may hold the other ends of the pipes.
        self._transport.close()

    async def _ask(self, request: Request) -> Answer:
        self._send(request)
        answer = await self._line.answers.get()
        if answer is None:
            raise ProcessDied(await self._epitaph())
        return answer

    def _send(self, request: Request) -> None:
        pipe: Any = self._transport.get_pipe_transport(0)
        # A write to a process that has died says nothing; its death is seen by the answers.
        if pipe is not None and not pipe.is_closing():
            pipe.write(frame(request))

    async def _epitaph(self) -> str:
        try:
            async with asyncio.timeout(_DYING):
                await self._line.exited.wait()
        except TimeoutError:
            return "the process of the attempt closed its line to the worker and was killed"
        code = self._transport.get_returncode() or 0
        if code >= 0:
            return f"the process of the attempt ended with exit code {code} in the middle of it"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        return f"the process of the attempt was killed by signal {-code} ({name})"
