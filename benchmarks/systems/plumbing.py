"""What is asked of every measured system, in nothing but the standard library.

A system is a `Driver`; the questions are put here, so that all are asked in the same way.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from bodies import tally

__all__ = ["Driver", "Figures", "ended", "perform"]

Figures = dict[str, Any]

_CALLERS = 50
_PATIENCE = 30.0
# Longest that one enqueue may take in a drill.
_CALL = 8.0
# How often a producer tries to connect in a drill.
_OPENINGS = 5


class Driver:
    """One system: how it enqueues, and how its worker runs.

    Tasks are named as in ``bodies.TASKS``; all of them are known to it.

    Args:
        url: ``redis://127.0.0.1:port/0``.
        lease: Seconds after which the jobs of a lost worker run again, as near as the system can
            be set to it; None for its defaults.

    Attributes:
        bulk: Whether it can enqueue many jobs in one call.
    """

    bulk = True

    def __init__(self, url: str, lease: float | None = None) -> None:
        self.url = url
        self.lease = lease

    async def open(self) -> None:
        """Connect as a producer."""

    async def close(self) -> None:
        """Disconnect."""

    async def enqueue(self, task: str, *args: Any) -> None:
        """Enqueue a job; return once Redis has accepted it."""
        raise LookupError(f"{type(self).__name__} cannot enqueue")

    async def enqueue_many(self, task: str, calls: Sequence[tuple[Any, ...]]) -> None:
        """Enqueue a job a call, by its arguments, in the fastest way there is."""
        raise LookupError(f"{type(self).__name__} has no bulk call")

    async def enqueue_at(self, ms: int, task: str, *args: Any) -> None:
        """Enqueue a job that is due at an epoch ms."""
        raise LookupError(f"{type(self).__name__} has no delayed jobs")

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        """Run a worker in this process until the event is set."""
        raise LookupError(f"{type(self).__name__} has no worker")


async def ended(until: asyncio.Event, running: asyncio.Future[Any]) -> None:
    """Wait for the event, while a worker runs.

    Raises:
        RuntimeError: The worker ended by itself before that.
    """
    waiting = asyncio.ensure_future(until.wait())
    await asyncio.wait((waiting, running), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if running.done() and not until.is_set():
        cause = None if running.cancelled() else running.exception()
        raise RuntimeError(f"the worker ended by itself: {cause!r}") from cause


class _Questions:
    def __init__(self, driver: type[Driver]) -> None:
        self._driver = driver

    async def fill(self, url: str, jobs: int, task: str = "noop", payload: int = 0) -> Figures:
        driver = self._driver(url)
        await driver.open()
        args = ("x" * payload,) if payload else ()
        await _fill(driver, jobs, task, args)
        await driver.close()
        return {}

    async def drain(self, url: str, jobs: int, concurrency: int) -> Figures:
        tally.expect(jobs)
        used = time.process_time()
        start = time.perf_counter()
        await self._driver(url).work(concurrency, tally.reached)
        if not tally.reached.is_set():
            raise RuntimeError("the worker ended before the last job had run")
        return {
            "jobs_per_second": jobs / (tally.at - start),
            "cpu_us": (time.process_time() - used) / jobs * 1e6,
            "rss_mb": _rss(),
            "jobs": jobs,
        }

    async def enqueue(self, url: str, jobs: int, callers: int) -> Figures:
        driver = self._driver(url)
        await driver.open()
        await driver.enqueue("noop")
        seconds = await _by_callers(callers, jobs, lambda: driver.enqueue("noop"))
        await driver.close()
        return {"jobs_per_second": jobs / seconds, "jobs": jobs}

    async def enqueue_many(self, url: str, jobs: int) -> Figures:
        driver = self._driver(url)
        await driver.open()
        await driver.enqueue_many("noop", [()])
        start = time.perf_counter()
        await driver.enqueue_many("noop", [()] * jobs)
        seconds = time.perf_counter() - start
        await driver.close()
        return {"jobs_per_second": jobs / seconds, "jobs": jobs}

    async def work(self, url: str, concurrency: int) -> Figures:
        ended = asyncio.Event()
        working = asyncio.create_task(self._driver(url).work(concurrency, ended))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        ended.set()
        await working
        return {}

    async def serve(self, url: str, concurrency: int, lease: float) -> Figures:
        """Work until the input ends; exit with code 3 if the worker ends before that."""
        stop = asyncio.Event()
        working = asyncio.create_task(self._driver(url, lease).work(concurrency, stop))
        print("ready", flush=True)
        reading = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
        await asyncio.wait((working, reading), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            error = working.exception()
            reason = "it returned" if error is None else repr(_first(error))
            print("exit:", *reason.split(), file=sys.stderr, flush=True)
            # The thread that reads would keep the process.
            os._exit(3)
        stop.set()
        await working
        return {}

    async def submit(
        self, url: str, lease: float, path: str, first: int, jobs: int, seconds: float, block: bool
    ) -> Figures:
        """Enqueue jobs that keep a journal, one after another, and tell which were accepted."""
        driver = self._driver(url, lease)
        accepted, refused, slowest = [], {}, 0.0
        for tries_left in reversed(range(_OPENINGS)):
            try:
                async with asyncio.timeout(_CALL):
                    await driver.open()
            except Exception as error:
                if not tries_left:
                    reasons = dict.fromkeys(range(first, first + jobs), _name(error))
                    return {"accepted": [], "refused": reasons, "slowest_s": 0.0}
                await asyncio.sleep(0.1)
                driver = self._driver(url, lease)
            else:
                break
        for number in range(first, first + jobs):
            start = time.perf_counter()
            try:
                async with asyncio.timeout(_CALL):
                    await driver.enqueue("drill", path, number, seconds, block)
            except Exception as error:
                refused[number] = _name(error)
            else:
                accepted.append(number)
            slowest = max(slowest, time.perf_counter() - start)
        print(json.dumps({"accepted": accepted, "refused": refused, "slowest_s": slowest}))
        sys.stdout.flush()
        # What it would still do in order to close is not asked.
        os._exit(0)

    async def load(self, url: str, rate: float) -> Figures:
        """Enqueue that many jobs a second, until the input ends."""
        driver = self._driver(url)
        await driver.open()
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        print("ready", flush=True)
        start, sent = time.perf_counter(), 0
        while not ended.done():
            due = int((time.perf_counter() - start) * rate) - sent
            await _by_callers(min(due, _CALLERS), due, lambda: driver.enqueue("noop"))
            sent += due
            await asyncio.sleep(0.005)
        await driver.close()
        return {}

    async def pickup(self, url: str, jobs: int) -> Figures:
        """Milliseconds from the call of enqueue to the first line of the task, one by one."""
        driver, stamps = self._driver(url), _Stamps()
        await driver.open()
        taken = []
        for number in range(-5, jobs):
            # At random, so that a worker that polls is not always met in the same phase.
            await asyncio.sleep(random.uniform(0.002, 0.012))
            called = time.time_ns()
            await driver.enqueue("stamp", stamps.port, number)
            started = (await stamps.collect(1))[number]
            if number >= 0:
                taken.append((started - called) / 1e6)
        await driver.close()
        return {"ms": taken}

    async def lateness(self, url: str, jobs: int) -> Figures:
        """Milliseconds from the due time to the first line, of jobs due within one second."""
        driver, stamps = self._driver(url), _Stamps()
        await driver.open()
        # A slow producer takes seconds for them; a warm worker is not what they wait for.
        start = time.time_ns() // 1_000_000 + 4000
        due = [start + 1000 * number // jobs for number in range(jobs)]
        numbers = iter(range(jobs))

        async def one() -> None:
            number = next(numbers)
            await driver.enqueue_at(due[number], "stamp", stamps.port, number)

        await _by_callers(_CALLERS, jobs, one)
        if time.time() * 1000 > start:
            raise RuntimeError("enqueued too late to be due together")
        started = await stamps.collect(jobs)
        await driver.close()
        return {"ms": [started[number] / 1e6 - due[number] for number in range(jobs)]}

    async def hold(self, url: str, jobs: int, path: str, seconds: float) -> Figures:
        """Enqueue jobs that write down their start and run for that long."""
        driver = self._driver(url)
        await driver.open()
        for number in range(jobs):
            await driver.enqueue("hold", path, number, seconds)
        await driver.close()
        return {}


class _Stamps:
    """Receives the times that the task ``stamp`` sends."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    async def collect(self, count: int) -> dict[int, int]:
        """Return the first start of each of that many jobs, by number."""
        loop = asyncio.get_running_loop()
        found: dict[int, int] = {}
        async with asyncio.timeout(_PATIENCE):
            while len(found) < count:
                number, at = map(int, (await loop.sock_recv(self._socket, 100)).split())
                found.setdefault(number, at)
        return found


def _first(error: BaseException) -> BaseException:
    """Return the error that led to this one."""
    while True:
        inner = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
        if inner is None:
            return error
        error = inner


def _name(error: BaseException) -> str:
    """Return what a caller sees, on one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


async def _fill(driver: Driver, jobs: int, task: str, args: tuple[Any, ...]) -> None:
    if driver.bulk:
        for at in range(0, jobs, 10_000):
            await driver.enqueue_many(task, [args] * min(10_000, jobs - at))
    else:
        await _by_callers(_CALLERS, jobs, lambda: driver.enqueue(task, *args))


async def _by_callers(callers: int, jobs: int, enqueue: Callable[[], Awaitable[Any]]) -> float:
    """Let that many callers enqueue one job after another; the seconds until all are accepted."""

    async def call(count: int) -> None:
        for _ in range(count):
            await enqueue()

    counts = [jobs // callers + (caller < jobs % callers) for caller in range(callers)]
    start = time.perf_counter()
    await asyncio.gather(*map(call, counts))
    return time.perf_counter() - start


def _rss() -> float:
    # The peak of getrusage takes in that of the process which started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def perform(driver: type[Driver]) -> None:
    """Answer the question that the command line puts, and print the figures."""
    parameters = json.loads(sys.argv[1])
    if parameters.pop("loop", "asyncio") == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    question = getattr(_Questions(driver), parameters.pop("action"))
    print(json.dumps(asyncio.run(question(**parameters))), flush=True)
