"""The processes of one worker: started when they are needed, used again, never more than a limit.

A process belongs to one job while that runs. One that died, or had to be killed, is replaced when
the next job needs it. Libraries' pools were looked at: that of ``concurrent.futures`` breaks as a
whole with one process and cannot end a running call, those that can pickle what they carry.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

from aiojobs_redis._redis.kin import read_results
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.worker.messages import Stop, Work
from aiojobs_redis.worker.place import place_of
from aiojobs_redis.worker.process import Process

if TYPE_CHECKING:
    from aiojobs_redis.policy import Policy
    from aiojobs_redis.task import Task
    from aiojobs_redis.verdict import Verdict
    from aiojobs_redis.worker.place import Place
    from aiojobs_redis.worker.run import Run

__all__ = ["Processes", "check_processes"]

_log = logging.getLogger("aiojobs_redis.worker")

_GRACE = 1.0
"""Seconds that a function has to see that it is cancelled before its process is killed."""


class Processes:
    """Runs attempts in processes.

    Args:
        limit: Processes at once; None for one a CPU.
        jobs_each: Attempts after which a process is replaced; None for no such limit.
    """

    def __init__(self, limit: int | None, jobs_each: int | None) -> None:
        self.limit: int = limit or _cpus()
        self._jobs_each = jobs_each
        self._free = asyncio.Semaphore(self.limit)
        self._idle: list[Process] = []
        self._places: dict[int, Place] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def add(self, task: Task[..., Any]) -> None:
        """Look where the function of a task stands.

        Raises:
            ConfigInvalid: A process would not find it.
        """
        self._places[id(task)] = place_of(task)

    async def run(self, run: Run, task: Task[..., Any], policy: Policy) -> Verdict:
        """Run one attempt, whose time counts from when it has a process that knows its task.

        Raises:
            ProcessDied: Its process died; the next attempt gets another one.
            ConfigInvalid: A process would not find the function.
        """
        if id(task) not in self._places:
            self.add(task)
        place = self._places[id(task)]
        results = await read_results(run.store, run.id) if task.from_parents else []
        async with self._free:
            process = await self._take()
            keep = False
            try:
                await process.load(place)
                run.begin(policy.timeout, asyncio.get_running_loop())
                verdict = await process.run(_work(run, place, policy, results), run)
                keep = True
            except asyncio.CancelledError:
                # Where somebody else may run the job by now, nothing is waited for.
                gone = run.revoked_now
                why = Stop(run.cancel_reason, run.timed_out)
                keep = not gone and await process.stop(_GRACE, why)
                raise
            finally:
                process.end_errands()
                if keep and process.jobs != self._jobs_each:
                    self._idle.append(process)
                else:
                    ending = self._end(process, gently=keep)
                    if not keep:
                        # Nobody is told that the attempt has ended before it has.
                        await asyncio.wait({ending})
        return verdict

    async def close(self) -> None:
        """End all processes."""
        while self._idle:
            _ = self._end(self._idle.pop(), gently=True)
        if self._ending:
            await asyncio.wait(self._ending)

    async def _take(self) -> Process:
        while self._idle:
            # The one that was used last: its memory is warm.
            process = self._idle.pop()
            if process.alive:
                return process
            await asyncio.wait({self._end(process, gently=False)})
        return await Process.start()

    def _end(self, process: Process, *, gently: bool) -> asyncio.Task[None]:
        if gently:
            process.close()
        ending = asyncio.get_running_loop().create_task(
            process.wait() if gently else process.kill(), name="aiojobs-process-end"
        )
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        return ending


def _work(run: Run, place: Place, policy: Policy, results: list[tuple[str, bytes]]) -> Work:
    spec = run.spec
    if spec is None:
        raise RuntimeError("a run is executed after its spec was read")
    state, steps = run.left.found() if run.left is not None else (b"", {})
    return Work(
        place,
        bytes(spec.call),
        policy.as_data(),
        run.id,
        spec.task,
        run.lane.queue.name,
        run.claim.failures + 1,
        run.claim.generation,
        run.claim.lost,
        run.claim.fence,
        spec.headers,
        run.header,
        results,
        state,
        steps,
    )


def _cpus() -> int:
    try:
        # What this process may use, which in a container is often less than there is.
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def check_processes(option: str, value: int | None) -> int | None:
    """Return a number of processes or of jobs.

    Raises:
        ConfigInvalid: It is no whole number from 1 to 100,000.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and (not whole or not 1 <= value <= 100_000):
        raise ConfigInvalid(
            f"{option} must be a whole number from 1 to 100000, or None, got {value!r:.80}"
        )
    return value
