"""Functions for tests of processes, in a module that another process can import."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, NoReturn

from aiojobs_redis import (
    AiojobsError,
    Fail,
    FromParents,
    Queue,
    Retry,
    Snooze,
    WaitFor,
    current_job,
)
from aiojobs_redis.outcome import Cancel
from tests.support.waiting import wait_until

queue = Queue("processes", "memory://processes")


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


async def square_later(number: int) -> int:
    await asyncio.sleep(0)
    return number * number


def stream(count: int, size: int) -> int:
    """Emit as fast as it can."""
    job = current_job()
    for number in range(count):
        _ = job.emit("value", (number, b"x" * size))
    return count


async def stream_later(count: int, size: int) -> int:
    for number in range(count):
        await current_job().emit("value", (number, b"x" * size))
    return count


def echo(data: bytes) -> bytes:
    return data


tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


def swap_tenant(name: str) -> str:
    """Set what a context holds, and return what it held."""
    seen = tenant.get()
    tenant.set(name)
    return seen


async def swap_tenant_later(name: str) -> str:
    return swap_tenant(name)


def ask() -> dict[str, object]:
    job = current_job()
    return {
        "id": job.id,
        "task": job.task,
        "queue": job.queue,
        "attempt": job.attempt,
        "headers": dict(job.headers),
        "fence": job.fencing_token,
        "cancelled": job.cancelled,
        "enqueued": job.enqueued_at.timestamp(),
    }


def die(how: str) -> None:
    if how == "exit":
        os._exit(7)
    if how == "segfault":
        import ctypes

        ctypes.string_at(0)
    os.kill(os.getpid(), getattr(signal, how))


def say_and_wait(path: str, seconds: float) -> None:
    """Write the process id down, then be busy in Python."""
    Path(path).write_text(str(os.getpid()))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def hold_all_threads(path: str) -> None:
    """Write the process id down, then let no other thread run, for longer than any test."""
    Path(path).write_text(str(os.getpid()))
    re.match(r"(a+)+$", "a" * 60 + "b")


def wait_for(path: str, gate: str) -> None:
    """Write the process id down, then wait for a file to be there."""
    Path(path).write_text(str(os.getpid()))
    while not Path(gate).exists():
        time.sleep(0.01)


def large(size: int) -> bytes:
    return b"x" * size


def give_up_when_told(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    job = current_job()
    assert job.cancel_event.wait(100)
    assert job.cancelled
    Path(path).with_suffix(".told").write_text(job.cancel_reason or f"timed out: {job.timed_out}")


async def leave_once(left: str, gate: str) -> str:
    """Leave an idempotent call after a while, say so, and go on until a file is there."""
    try:
        async with asyncio.timeout(0.5):
            await current_job().once("effect", asyncio.sleep, 60)
    except TimeoutError:
        Path(left).touch()
    await wait_until(Path(gate).exists, "the gate to open", 60)
    return "went on without"


def hold_with_a_child(path: str) -> None:
    """Leave a process behind that was forked from here and holds all that this one holds."""
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def talk() -> str:
    print("printed by a task")
    print(subprocess.run([sys.executable, "-c", "print('x')"], check=True).returncode)
    return sys.stdin.read()


def fail(how: str) -> None:
    match how:
        case "Fail":
            raise Fail("no use")
        case "Retry":
            raise Retry(delay=0, reason="once more")
        case "Snooze":
            raise Snooze(delay=3600)
        case "Cancel":
            raise Cancel("not wanted")
        case "exit":
            sys.exit(3)
        case _:
            raise ZeroDivisionError(how)


def wait_for_job(id: str, done: FromParents[int] = ()) -> int:
    if not done:
        raise WaitFor([id])
    return done[0]


def unencodable() -> object:
    return object()


@queue.task(executor="process", attempts=3, fail_on=KeyError, backoff=lambda *_: 0)
def picky(kind: str) -> int:
    if current_job().attempt == 1:
        raise {"key": KeyError, "value": ValueError}[kind]("chosen")
    return current_job().attempt


def report(count: int) -> str:
    """Say more than is written."""
    job = current_job()
    for done in range(1, count + 1):
        _ = job.progress(done, count, {"pid": os.getpid()})
    for number in range(1_500):
        _ = job.log(f"{number}")
    return f"{job.attempt} of generation {job.generation}"


@dataclass
class Receipt:
    order: int
    cents: int


def _note(path: str, what: str) -> None:
    with Path(path).open("a") as book:
        book.write(f"{what}\n")


def fulfil(order: int, book: str) -> list[object]:
    """Take steps from a plain function; the last one fails twice."""
    job = current_job()

    def charge() -> Receipt:
        _note(book, job.idempotency_key("charge"))
        return Receipt(order, 5)

    async def ship() -> str:
        _note(book, "ship")
        if job.attempt < 3:
            raise ConnectionError("the carrier is away")
        return "sent"

    receipt = asyncio.run(job.step("charge", charge))
    return [type(receipt).__name__, receipt.cents, asyncio.run(job.step("ship", ship))]


async def count_on(rounds: int) -> int:
    """Go on from the state of the attempt before; the first rounds end without a save."""
    job = current_job()
    job.state["round"] = job.state.get("round", 0) + 1
    if job.state["round"] <= rounds:
        raise Snooze(0)
    found: int = job.state["round"]
    return found


def save_and_wait(path: str) -> None:
    """Save, say so, then change the state again when told to end."""
    job = current_job()
    job.state["at"] = "saved"
    asyncio.run(job.save())
    Path(path).write_text(str(os.getpid()))
    while not job.cancelled:
        time.sleep(0.01)
    job.state["at"] = "told"


def share(book: str) -> int:
    """Make a call that the others of the queue share."""

    def fetch() -> int:
        _note(book, "fetched")
        return os.getpid()

    return asyncio.run(current_job().once("token", fetch))


def go_wrong() -> list[str]:
    """Try what is refused; the errors are those of any executor."""
    job = current_job()
    told = []
    job.state["bad"] = object()
    attempts: list[Callable[[], Coroutine[Any, Any, object]]] = [
        lambda: job.step("s", bytes, 2 * 1024 * 1024),
        lambda: job.step("s", str),
        lambda: job.step("o", object),
        lambda: job.once("k", bytes, 2 * 1024 * 1024),
        job.save,
    ]
    for wrong in attempts:
        try:
            asyncio.run(wrong())
        except AiojobsError as error:
            told.append(type(error).__name__)
    return [*told, *asyncio.run(job.once("k", _listed))]


def _listed() -> list[str]:
    return ["free again"]


def outlive(path: str, gate: str) -> None:
    """Take a step once the lease is lost."""
    Path(path).write_text(str(os.getpid()))
    while not Path(gate).exists():
        time.sleep(0.01)
    asyncio.run(current_job().step("late", str, 1))


def sum_of_parents(factor: int, parts: FromParents[int] = ()) -> int:
    """Return the sum of what the jobs returned on which this one depends."""
    return factor * sum(parts)


async def ask_for_parents() -> int:
    """Ask for them as a task in the event loop may."""
    return len(await current_job().parents())


class Unprintable(Exception):
    """Python asks it for notes before it prints it."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":
            raise ZeroDivisionError
        return super().__getattribute__(name)


class Zone(tzinfo):
    """Is asked for its offset when a time is encoded."""

    def utcoffset(self, moment: datetime | None) -> NoReturn:
        raise Unprintable("no such zone")

    dst = tzname = utcoffset


def leave_an_odd_state() -> str:
    job = current_job()
    if job.attempt == 2:
        return "done"
    job.state["at"] = datetime(2026, 1, 1, tzinfo=Zone())
    raise ValueError("again")
