"""A short life whose jobs leave all that a job can, for a process that is killed.

Each leaves progress, a log, a state and steps, emits events, and all of them share a call that is
made once. The process also emits beside its jobs. The journal says what had an effect, and what was
known to be recorded. They run in the event loop of the worker, or in processes of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiojobs_redis import AiojobsError, EmittedEvent, Event, Fixed, Queue, Worker, current_job
from tests.support.lines import whole_lines

__all__ = [
    "JOBS",
    "NAME",
    "SHARED",
    "STEPS",
    "build",
    "faults_of_emitted",
    "faults_of_events",
    "faults_of_journal",
    "live",
]

NAME = "stepping"
JOBS = ("job-0", "job-1", "job-2")
STEPS = ("one", "two", "three")
SHARED = "shared"
_EACH = 3
"""Events that a job emits before each step."""
_BESIDE = 8
"""Events that the process emits beside its jobs."""


async def steps_in_loop(journal: str) -> list[str]:
    """Take the steps; the first attempt fails between the second and the third."""
    job = current_job()
    book = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(event: str, what: object) -> None:
        os.write(book, f"{event}\t{job.id}\t{what}\n".encode())

    ran = set[str]()

    async def effect(step: str) -> str:
        ran.add(step)
        write("did", step)
        return step.upper()

    try:
        write("pid", os.getpid())
        write("began with", job.state.get("saved", 0))
        shared = await job.once(SHARED, effect, SHARED)
        write("past", SHARED)
        found = [shared]
        for number, step in enumerate(STEPS):
            for at in range(number * _EACH, (number + 1) * _EACH):
                write("says", f"{job.fencing_token}.{at}")
                await job.emit("said", (job.fencing_token, at))
            found.append(await job.step(step, effect, step))
            write("past", step)
            if step in ran:
                # One of an attempt before is not stored again, and nothing with it.
                write("behind", f"{job.fencing_token}.{at}")
            await job.progress(number + 1, len(STEPS))
            # An attempt that is handed back, as from a busy machine, has the number of the next.
            await job.log(f"{step} of attempt {job.attempt} under {job.fencing_token}")
            if job.state.get("saved", 0) <= number:
                job.state["saved"] = number + 1
                await job.save()
                write("saved", number + 1)
            if number == 1 and "failed" not in job.state:
                job.state["failed"] = True
                raise ValueError("once")
        return found
    finally:
        os.close(book)


def steps_in_process(journal: str) -> list[str]:
    """Do the same from a plain function, for each process has one job."""
    return asyncio.run(steps_in_loop(journal))


def build(url: str, executor: str = "async") -> Queue:
    """Return the queue with its task."""
    queue = Queue(NAME, url=url, namespace="test")
    options: Any = {"attempts": 4, "backoff": Fixed(0.01), "name": "stepping"}
    if executor == "process":
        # To start an interpreter takes a busy machine seconds.
        queue.task(executor="process", lease=2, **options)(steps_in_process)
    else:
        queue.task(lease=0.5, **options)(steps_in_loop)
    return queue


def faults_of_journal(path: Path) -> list[str]:
    """Return which steps ran after they were known to be recorded, and which states were lost."""
    wrong: list[str] = []
    past: set[tuple[str, str]] = set()
    saved: Counter[str] = Counter()
    times: Counter[tuple[str, str]] = Counter()
    for event, job, what in (line.split("\t") for line in whole_lines(path)):
        # What is made once is made by any of them.
        job = "any job" if what == SHARED else job
        if event == "did":
            times[job, what] += 1
            if (job, what) in past:
                wrong.append(f"{job} ran {what} again, which was recorded")
        elif event == "past":
            past.add((job, what))
        elif event == "saved":
            saved[job] = int(what)
        elif event == "began with" and int(what) < saved[job]:
            wrong.append(f"{job} began with {what}, and had saved {saved[job]}")
    wrong += [f"{step} ran {count} times" for step, count in times.items() if count > 2]
    expected = {("any job", SHARED), *((job, step) for job in JOBS for step in STEPS)}
    return wrong + [f"{step} never ran" for step in expected - times.keys()]


def faults_of_events(path: Path, job: str, events: Sequence[Event], executor: str) -> list[str]:
    """Return what is wrong with what a reader got of a job that has completed.

    Args:
        path: The journal.
        job: Its id.
        events: All that the reader got until it ended.
        executor: Where the job ran. In the loop of the worker whatever was said before a step that
            ran is stored with it; a process gathers it for a moment, and only the end of an attempt
            waits for it.
    """
    if [event.type for event in events if event.type != "emitted"][-1:] != ["completed"]:
        return [f"a reader of {job} ended behind {events[-1:]}"]
    said, behind = set[str](), dict[str, int]()
    for event, id, what in (line.split("\t") for line in whole_lines(path)):
        token, _, number = what.partition(".")
        if id == job and event == "says":
            said.add(what)
        elif id == job and event == "behind":
            behind[token] = int(number) + 1
    got: dict[str, list[int]] = defaultdict(list)
    wrong: list[str] = []
    for one in events:
        if isinstance(one, EmittedEvent):
            token, number = map(str, one.data)
            wrong += [] if f"{token}.{number}" in said else [f"{job} never said {one.data}"]
            wrong += [] if token == max((*got, token), key=int) else [f"{one.data} came late"]
            got[token].append(int(number))
    wrong += [
        f"of what {job} said under {token} came {numbers}"
        for token, numbers in got.items()
        if numbers != list(range(len(numbers)))
    ]
    last = max((what.partition(".")[0] for what in said), key=int)
    least = behind if executor == "async" else {}
    return wrong + [
        f"of {number} events of {job} under {token} came {got[token]}"
        for token, number in {**least, last: len(STEPS) * _EACH}.items()
        if len(got[token]) < number
    ]


def faults_of_emitted(path: Path, events: Sequence[Event]) -> list[str]:
    """Return what is wrong with what came of the events that the process emitted beside its jobs.

    Args:
        path: The journal.
        events: All that was emitted in the queue.
    """
    told = sum(line.startswith("told\t") for line in whole_lines(path))
    got = [one.data for one in events if isinstance(one, EmittedEvent) and one.job is None]
    # Of the one whose answer was not read nobody knows.
    allowed = [list(range(number)) for number in (told, min(told + 1, _BESIDE))]
    return [] if got in allowed else [f"{told} events were acknowledged, and {got} came"]


async def live(url: str, history: str, executor: str) -> None:
    """Run the jobs, which are there, to their end.

    Args:
        url: The server.
        history: Folder for the history, which is beside the journal.
        executor: Where they run.
    """
    queue = build(url, executor)
    book = os.open(Path(history).parent / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with queue.record_history(history):
        async with Worker(queue, concurrency=len(JOBS), processes=1):
            for number in range(_BESIDE):
                await queue.emit("beside", number)
                os.write(book, f"told\tnobody\t{number}\n".encode())
            for name in JOBS:
                with contextlib.suppress(AiojobsError):
                    await queue.job(name).result(20)
    await queue.close()
