"""The worker's life: start, run, drain, stop.

    running ── stop(grace) ──▶ draining ── runs ended ─────────────────────▶ flushing ─▶ stopped
       │                          └── grace over: cancelled and handed back ────▲
       └── its asyncio task is cancelled: as stop(grace=0), then the cancellation goes on

Draining claims nothing, hands back what it holds unstarted, and goes on renewing leases; flushing
sends completions until Redis has accepted them, a few seconds at most.
"""

from __future__ import annotations

import asyncio
import math
import os
import platform
import re
import secrets
import threading
from typing import TYPE_CHECKING, Self, TypeVar

import anyio

from aiojobs_redis.duration import to_ms
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.given import check_flag
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.job import WorkerState
from aiojobs_redis.middleware import check_middleware
from aiojobs_redis.policy import policy_of
from aiojobs_redis.worker import place
from aiojobs_redis.worker.burst import Burst
from aiojobs_redis.worker.control import Control
from aiojobs_redis.worker.crew import Crew
from aiojobs_redis.worker.executor import Executor, given_up
from aiojobs_redis.worker.failures import Failures
from aiojobs_redis.worker.hosted import Hosted
from aiojobs_redis.worker.lane import Lane
from aiojobs_redis.worker.lifespan import Lifespan
from aiojobs_redis.worker.outage import connect
from aiojobs_redis.worker.processes import Processes, check_processes
from aiojobs_redis.worker.queues import check_queues
from aiojobs_redis.worker.readiness import Readiness
from aiojobs_redis.worker.run import Reason
from aiojobs_redis.worker.signals import obey_signals
from aiojobs_redis.worker.slots import Slots, check_concurrency
from aiojobs_redis.worker.stopping import Stopping
from aiojobs_redis.worker.transitions import Transitions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import timedelta

    from anyio.abc import TaskGroup

    from aiojobs_redis.middleware import JobMiddleware
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.transition import Observer
    from aiojobs_redis.worker.failures import FailureHook
    from aiojobs_redis.worker.lifespan import LifespanFunction
    from aiojobs_redis.worker.run import Run

__all__ = ["Worker"]

_log = GuardedLog("aiojobs_redis.worker")

T = TypeVar("T")

_ONCE = "a worker runs once: make another one"
_UNWIND = 5.0
_FLUSH = 5.0
_CLOSE = 5.0
"""Seconds that the lifespan has to close, at least; the rest of the grace, where that is more."""


class Worker:
    """Runs the jobs of one queue or several.

    Args:
        queues: The queue, or the queues; those of one name must not be given twice.
        concurrency: Jobs at once over all queues, 10 by default.
        weights: Share of the slots by queue name, 1 by default; a share that a queue does not
            use is lent to the others.
        grace: Seconds that running jobs get after a signal, 25 by default.
        processes: Processes for tasks with ``executor="process"``, one a CPU by default; they start
            when jobs need them.
        jobs_per_process: Attempts after which a process is replaced by a new one, for libraries
            that leak memory; None for no limit.
        signals: Whether `run` obeys TERM and INT (see ``worker/signals.py``); off inside an
            application that has a loop of its own.
        app: Name of the application, which owns the schedules that its code declares.
        version: Version of the application: a newer one removes declared schedules that it does
            not declare any more.
        middleware: Async callables of the job's `JobContext` and ``call_next`` around each attempt,
            the first of them outermost; see `JobMiddleware`.
        observers: Plain callables of a `Transition`, told each step of its jobs.
        on_failure: Called with a `Failure` once for each attempt that failed, when Redis has
            accepted what becomes of the job.
        lifespan: Async context manager of the worker, opened before the first job and closed after
            the last; what it yields, an object or a tuple of them, tasks get by `Depends`.

    Raises:
        ConfigInvalid: No queue, one given twice, or a number out of range.
    """

    def __init__(
        self,
        queues: Queue | Iterable[Queue],
        *,
        concurrency: int = 10,
        weights: Mapping[str, float] | None = None,
        grace: float | timedelta = 25,
        processes: int | None = None,
        jobs_per_process: int | None = None,
        signals: bool = False,
        app: str = "",
        version: str = "",
        middleware: Iterable[JobMiddleware] = (),
        observers: Iterable[Observer] = (),
        on_failure: FailureHook | None = None,
        lifespan: LifespanFunction | None = None,
    ) -> None:
        self.queues: list[Queue] = check_queues(queues)
        names = [queue.name for queue in self.queues]
        self._weights = dict(weights or {})
        for name, weight in self._weights.items():
            if name not in names:
                raise ConfigInvalid(f"weights names {name!r}, which is none of the queues {names}")
            if not isinstance(weight, int | float) or not 0 < weight < 1e6:
                raise ConfigInvalid(f"the weight of {name!r} must be over 0, got {weight!r:.80}")
        self._slots = Slots(check_concurrency(concurrency))
        self._grace = to_ms("grace", grace) / 1000
        self._processes = check_processes("processes", processes)
        self._jobs_per_process = check_processes("jobs_per_process", jobs_per_process)
        check_flag("signals", signals)
        self._signals = signals
        self._app = app
        self._version = version
        self._middleware = check_middleware(middleware, "job and call_next")
        self._failures = None if on_failure is None else Failures(on_failure)
        self._lifespan = None if lifespan is None else Lifespan(lifespan)
        host = re.sub(r"[^A-Za-z0-9_.-]", "-", platform.node())[:64] or "host"
        self.id: str = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
        self._transitions = Transitions(self.id, observers)
        self._lanes: list[Lane] = []
        self._executor: Executor | None = None
        self._stopping = Stopping()
        self._control = Control(self)
        self._readiness = Readiness(self.id)
        self._deadline = math.inf
        self._grace_scope: anyio.CancelScope | None = None
        self._quiet = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False
        self._thread = 0
        self._hosted: Hosted | None = None
        self._burst: Burst | None = None

    def __repr__(self) -> str:
        return f"<Worker {self.id} of {', '.join(queue.name for queue in self.queues)}>"

    @property
    def concurrency(self) -> int:
        """Jobs at once; setting it applies to the next claims, running jobs go on."""
        return self._slots.total

    @concurrency.setter
    def concurrency(self, value: int) -> None:
        self._slots.total = check_concurrency(value)
        if self._executor is not None:
            self._executor.threads.total_tokens = value
        self._wake()

    @property
    def grace(self) -> float:
        """Seconds that running jobs get at a stop."""
        return self._grace

    @property
    def processes(self) -> int | None:
        """Processes for tasks that run in one, at most; None for one a CPU."""
        return self._processes

    def weight_of(self, queue: str) -> float:
        """Return the share of the slots that a queue has, by its name."""
        return self._weights.get(queue, 1.0)

    def check(self) -> None:
        """Look whether it could run its tasks, without connecting to anything.

        Raises:
            ConfigInvalid: A task is to run in a process, which would not find its function.
        """
        self._make_processes()

    def as_process(self, app: str, *, grace: float | timedelta | None = None) -> None:
        """Have `run` obey signals, as the command line does with a worker of an application.

        Args:
            app: Name of the application, where the worker was made without one.
            grace: Seconds that running jobs get after a signal; None for what it has.

        Raises:
            ConfigInvalid: The grace is out of range.
        """
        self._signals = True
        self._app = self._app or app
        if grace is not None:
            self._grace = to_ms("grace", grace) / 1000

    def add_middleware(self, middleware: JobMiddleware) -> None:
        """Put one more middleware around each attempt, within those that are there.

        Args:
            middleware: Async callable of the job and ``call_next``; see `JobMiddleware`.

        Raises:
            ConfigInvalid: It cannot be called, is a plain function, or the worker runs already.
        """
        if self._loop is not None:
            raise ConfigInvalid("middleware is added to a worker before it runs, this one does")
        self._middleware += check_middleware([middleware], "job and call_next")

    def observe(self, observer: Observer) -> None:
        """Tell one more observer each step of the jobs from now on.

        Args:
            observer: A plain, short callable of a `Transition`; what it raises is logged.

        Raises:
            ConfigInvalid: It cannot be called.
        """
        self._transitions.add(observer)

    def runs(self) -> list[Run]:
        """Return the jobs that run now."""
        # A list of them first: it may be asked from another thread.
        return [run for lane in self._lanes for run in list(lane.held.values()) if not run.done]

    @property
    def is_running(self) -> bool:
        """Whether `run` has begun and not ended."""
        return self._loop is not None and not self._ended

    @property
    def state(self) -> WorkerState:
        """Whether it claims jobs, as operators see it."""
        if self._stopping.asked.is_set():
            return WorkerState.STOPPING
        return WorkerState.QUIET if self._quiet else WorkerState.RUNNING

    async def told_to_stop(self) -> None:
        """Wait until an operator ends it from afar: it is not to be started again then."""
        await self._control.told_to_stop.wait()

    async def is_idle(self, done: Callable[[], Awaitable[bool]] | None = None) -> bool:
        """Look whether it has done all that there is to do now, as a burst does; see `run`.

        Args:
            done: Looks whether its queues have nothing left, in the place of their counts.
        """
        return self._burst is not None and await self._burst.over(done)

    async def wait_until_ready(self) -> None:
        """Wait until it claims jobs: connected, its lifespan open.

        Raises:
            Exception: What `run` raised, where it ended before.
            RuntimeError: It was stopped before.
        """
        await self._readiness.wait()

    def pause(self) -> None:
        """Claim no more jobs; running ones go on. Safe to call from another thread."""
        self._in_loop(self._set_quiet, True)

    def resume(self) -> None:
        """Claim jobs again. Safe to call from another thread."""
        self._in_loop(self._set_quiet, False)

    def stop(self, grace: float | timedelta | None = None) -> None:
        """End `run`: finish running jobs, hand back what has not started.

        Safe to call from a signal handler's callback and from another thread, and again to
        shorten the grace.

        Args:
            grace: Seconds after which running jobs are cancelled and handed back, no attempt
                spent; what was given at construction by default.
        """
        seconds = self._grace if grace is None else to_ms("grace", grace) / 1000
        self._in_loop(self._stop, seconds)

    async def run(self, *, burst: bool = False) -> None:
        """Run jobs until stopped.

        Args:
            burst: End when nothing is queued, running, retrying or due.

        Raises:
            ConfigInvalid: A task is to run in a process, which would not find its function.
            QueueUnavailable: Redis refused this client at the start (user, password or rights).
            RedisIncompatible: The server is older than Redis 7.0 or Valkey 7.2.
            LifespanFailed: The lifespan raised while it opened, or while jobs ran.
            ConfigInvalid: A task asks for what the lifespan does not yield.
        """
        check_flag("burst", burst)
        if self._loop is not None:
            raise RuntimeError(_ONCE)
        place.refuse_in_child()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        with self._readiness.until_the_end():
            try:
                await self._run(burst=burst)
            finally:
                self._ended = True

    async def _run(self, *, burst: bool) -> None:
        executor = self._executor = Executor(
            self._slots.total, self._make_processes(), self._middleware
        )
        if self._lifespan is None:
            executor.injector.check(self.queues)
        self._lanes = [
            Lane(
                queue,
                worker=self.id,
                weight=self.weight_of(queue.name),
                slots=self._slots,
                executor=executor,
                stopping=self._stopping,
                transitions=self._transitions,
            )
            for queue in self.queues
        ]
        for lane in self._lanes:
            lane.failures = self._failures
        self._slots.sharers = self._lanes
        self._set_quiet(self._quiet)
        # The work goes on in a task of its own, so that a cancellation of this one can be met
        # with an orderly end.
        work = asyncio.create_task(self._work(burst=burst), name="aiojobs-worker")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stop(0)
            try:
                with anyio.CancelScope(shield=True):
                    await asyncio.wait({work})
            finally:
                work.cancel()
            raise

    def _make_processes(self) -> Processes:
        processes = Processes(self._processes, self._jobs_per_process)
        for queue in self.queues:
            for task in queue.tasks.values():
                if policy_of(task).executor == "process":
                    processes.add(task)
        return processes

    async def __aenter__(self) -> Self:
        place.refuse_in_child()
        if self._loop is not None or self._hosted is not None:
            raise RuntimeError(_ONCE)
        self._hosted = Hosted(self.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        if self._hosted is not None:
            await self._hosted.leave()

    async def _work(self, *, burst: bool) -> None:
        try:
            async with anyio.create_task_group() as group:
                if self._signals:
                    group.start_soon(obey_signals, self, self._grace)
                for queue in self.queues:
                    await connect(queue, self._stopping)
                if not self._stopping.asked.is_set():
                    await self._run_within_lifespan(group, burst=burst)
                group.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            # One error is the rule, and what the caller can act on.
            if len(errors.exceptions) == 1:
                only = errors.exceptions[0]
                raise only from only.__cause__
            raise
        finally:
            for run in self.runs():
                run.stop(Reason.LOST)
            self._ended = True
            if self._executor is not None:
                await self._executor.processes.close()
        _log.info("worker %s: stopped", self.id)

    async def _run_within_lifespan(self, group: TaskGroup, *, burst: bool) -> None:
        lifespan, executor = self._lifespan, self._executor
        if lifespan is None or executor is None:
            await self._run_crew(group, burst=burst)
            return
        try:
            executor.injector.provide(await lifespan.open(self, self._stopping))
            if not self._stopping.asked.is_set():
                executor.injector.check(self.queues)
                await self._run_crew(group, burst=burst)
        finally:
            left = self._deadline - asyncio.get_running_loop().time()
            await lifespan.close(max(left, _CLOSE) if math.isfinite(left) else _CLOSE)

    async def _run_crew(self, group: TaskGroup, *, burst: bool) -> None:
        crew = Crew(
            self._lanes,
            self._slots,
            app=self._app,
            version=self._version,
            control=self._control,
            stopping=self._stopping,
        )
        names = ", ".join(queue.name for queue in self.queues)
        _log.info("worker %s: queues %s, %d jobs at once", self.id, names, self._slots.total)
        self._burst = Burst(self._lanes, crew)
        if burst:
            group.start_soon(self._end_when_done, self._burst)
        group.start_soon(self._drain, crew)
        self._readiness.reached()
        await crew.run()
        if self._executor is not None:
            await self._executor.batches.end(_UNWIND)
        if self._failures is not None:
            with anyio.move_on_after(_UNWIND):
                await self._failures.told()

    async def _drain(self, crew: Crew) -> None:
        await self._stopping.asked.wait()
        crew.stop()
        if self._executor is not None and asyncio.get_running_loop().time() < self._deadline:
            self._executor.batches.close()
        with anyio.CancelScope(deadline=self._deadline) as self._grace_scope:
            await self._runs_ended()
        self._stopping.hurry.set()
        for run in self.runs():
            run.stop(Reason.SHUTDOWN)
        with anyio.move_on_after(_UNWIND):
            await self._runs_ended()
        for run in self.runs():
            run.lane.end(run, given_up(run))
        with anyio.move_on_after(_FLUSH):
            await self._stopping.ended.wait()
            return
        _log.error("worker %s: Redis has not accepted the last completions; giving up", self.id)
        crew.abandon()

    async def _runs_ended(self) -> None:
        for lane in self._lanes:
            await lane.drained.wait()

    async def _end_when_done(self, burst: Burst) -> None:
        await burst.wait()
        self._stop(self._grace)

    def _stop(self, seconds: float) -> None:
        if self._loop is not None:
            self._deadline = min(self._deadline, self._loop.time() + seconds)
        if self._grace_scope is not None:
            self._grace_scope.deadline = self._deadline
        self._stopping.asked.set()

    def _in_loop(self, change: Callable[[T], None], value: T) -> None:
        if self._loop is not None and self.is_running and threading.get_ident() != self._thread:
            self._loop.call_soon_threadsafe(change, value)
        else:
            change(value)

    def _set_quiet(self, quiet: bool, /) -> None:
        self._quiet = quiet
        for lane in self._lanes:
            lane.quiet = quiet
            lane.hungry = True
            lane.wake()
        if self.is_running:
            self._control.on_change()

    def _wake(self) -> None:
        for lane in self._lanes:
            lane.wake()
