"""What a job in a process of its own has its worker do in Redis, under the lease of its run.

    the job ── Errand ──▶ here ── the run's notes ──▶ Redis
            ◀── Done ───┘

The job waits for the answer, so a step is stored before it returns there as here. What is asked
before the attempt is stopped is done while it has time to end; what is still under way when the
process is gone is given up, and belongs to the attempt that has ended.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiojobs_redis.errors import AiojobsError
from aiojobs_redis.extras import decode_state, netstrings
from aiojobs_redis.worker.messages import Done

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiojobs_redis.worker.messages import Errand
    from aiojobs_redis.worker.run import Run

__all__ = ["Errands"]


class Errands:
    """Runs the errands of one attempt.

    Args:
        run: Its run.
        send: Sends what became of one.
    """

    def __init__(self, run: Run, send: Callable[[Done], None]) -> None:
        self._run = run
        self._send = send
        self._under_way: set[asyncio.Task[None]] = set()
        self._room: Awaitable[None] | None = None
        self._taking: dict[str, asyncio.Task[None]] = {}

    def start(self, errand: Errand) -> None:
        """Do one, and answer it when it is done."""
        if errand.what == "emit":
            # At once: the end of the attempt may be the next that comes.
            self._room = self._run.notes.hear_emitted(list(netstrings(errand.body)))
        task = asyncio.get_running_loop().create_task(self._answer(errand), name="aiojobs-errand")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        if errand.what == "take":
            self._taking[errand.name] = task

    def take_state(self, state: bytes | None) -> None:
        """Take what the attempt leaves for the next one; None for what there was."""
        if state is not None:
            self._run.notes.state = decode_state(state)

    def end(self) -> None:
        """Give up what is under way."""
        for task in self._under_way:
            task.cancel()

    async def _answer(self, errand: Errand) -> None:
        try:
            done = Done(errand.number, await self._do(errand))
        except AiojobsError as error:
            done = Done(errand.number, None, (type(error).__name__, str(error)))
        except Exception as error:
            # Of users: what the codec raises.
            text = f"it failed in the worker with {type(error).__name__}: {error}"
            done = Done(errand.number, None, (AiojobsError.__name__, text))
        self._send(done)

    async def _do(self, errand: Errand) -> bytes | None:
        notes = self._run.notes
        notes.check()
        match errand.what:
            case "save":
                self.take_state(errand.body)
                await notes.save()
            case "step":
                await notes.keep_step(errand.name, errand.body)
            case "take":
                return await notes.desk.take(errand.name)
            case "keep":
                await notes.desk.keep(errand.name, errand.ms, errand.body)
            case "emit":
                if self._room is not None:
                    await self._room
            case "free":
                if (taking := self._taking.pop(errand.name, None)) is not None:
                    # Who waited for the call has left, and would get it all the same.
                    taking.cancel()
                    await asyncio.wait({taking})
                await notes.desk.free(errand.name)
        return None
