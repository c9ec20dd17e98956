"""What must be true at the end of the demo, checked against the files and the calendar."""

from __future__ import annotations

import hashlib
import statistics
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aiojobs_redis import Cron, JobState
from aiojobs_redis.cli.demo_run import FEWEST_TICKS
from aiojobs_redis.cli.demo_tasks import EVERY_TWO_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiojobs_redis.cli.demo_run import Course
    from aiojobs_redis.cli.demo_tasks import App

__all__ = ["Check", "check_course"]

_SHOWN = 5


class Check(NamedTuple):
    """One thing that was compared.

    Attributes:
        name: What.
        text: What was found.
        wrong: What differs, one line each; empty when all agrees.
    """

    name: str
    text: str
    wrong: list[str]


def check_course(app: App, course: Course) -> Iterator[Check]:
    """Compare what happened with what had to happen."""
    yield _results(course)
    yield _states(course)
    yield _order(course)
    yield _delays(course)
    yield _ticks(app, course)
    yield _retries(course)
    yield _dead(course)


def _results(course: Course) -> Check:
    wrong: list[str] = []
    for item in course.files:
        data = Path(item.path).read_bytes()
        expected = (hashlib.sha256(data).hexdigest(), data.count(b"\n"), len(data))
        got = (item.facts.sha256, item.facts.lines, item.facts.size)
        if got != expected:
            wrong.append(f"{item.path}: the job says {got}, the file {expected}")
    total = sum(item.facts.size for item in course.files)
    return Check("files", f"{len(course.files):,} hashed, {total / 1e6:.1f} MB", wrong)


def _states(course: Course) -> Check:
    states = [(item, course.infos.get(item.job.id)) for item in course.files]
    wrong = [
        f"{item.path}: {info.state} after attempt {info.attempt}" if info else f"{item.path}: gone"
        for item, info in states
        if info is None or info.state is not JobState.COMPLETED or info.attempt != 1
    ]
    return Check("runs", "each job completed, at its first attempt", wrong)


def _order(course: Course) -> Check:
    at_once = sorted(
        (item for item in course.files if not item.delay), key=lambda item: item.facts.order
    )
    wrong = [
        f"{later.path} (priority {later.priority}) was claimed after {earlier.path} "
        f"(priority {earlier.priority})"
        for earlier, later in pairwise(at_once)
        if later.priority > earlier.priority
    ]
    return Check("priority", "smaller files were claimed before larger ones", wrong)


def _delays(course: Course) -> Check:
    wrong: list[str] = []
    late: list[float] = []
    delayed = [item for item in course.files if item.delay]
    for item in delayed:
        info = course.infos.get(item.job.id)
        if info is None or info.started_at is None:
            wrong.append(f"{item.path}: never started")
            continue
        waited = (info.started_at - info.enqueued_at).total_seconds()
        late.append(waited - item.delay)
        if waited < item.delay:
            wrong.append(f"{item.path}: started after {waited:g} s, {item.delay:g} s too early")
    median = statistics.median(late or [0.0])
    text = f"{len(delayed)} of 0.5 to 2 s, none early, {median * 1000:.0f} ms late (median)"
    return Check("delays", text, wrong)


def _ticks(app: App, course: Course) -> Check:
    cron = Cron(EVERY_TWO_SECONDS)
    ticks = sorted(app.ticks)
    wrong = [
        f"after {earlier:%H:%M:%S} came {later:%H:%M:%S}, not {cron.next_after(earlier):%H:%M:%S}"
        for earlier, later in pairwise(ticks)
        if later != cron.next_after(earlier)
    ]
    if len(ticks) < FEWEST_TICKS:
        wrong.append(f"{len(ticks)} ticks instead of {FEWEST_TICKS} or more")
    runs = course.schedule.runs if course.schedule else 0
    if not len(ticks) == runs == len(course.tick_jobs):
        wrong.append(
            f"{len(ticks)} runs of the task, {len(course.tick_jobs)} jobs, {runs} ticks counted"
        )
    return Check("ticks", f"{len(ticks)} of '{EVERY_TWO_SECONDS}', one job each", wrong)


def _retries(course: Course) -> Check:
    info = course.infos.get(course.flaky)
    retries = len(info.errors) if info else 0
    completed = info is not None and info.state is JobState.COMPLETED
    wrong = [] if completed and retries == 2 else [f"the flaky job is {info}"]
    return Check("retries", f"{retries}, then the job completed", wrong)


def _dead(course: Course) -> Check:
    told = "; ".join(f"{info.task}: {info.errors[-1].message}" for info in course.dead[:_SHOWN])
    fits = [info.task for info in course.dead] == ["broken"]
    return Check("dead letters", f"{len(course.dead)} ({told})", [] if fits else [told or "none"])
