"""Whatever a queue that keeps its promises goes through, its history passes."""

from __future__ import annotations

import random
import resource
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aiojobs_redis import check_history
from aiojobs_redis.history.events import encode_event
from tests.support.histories import Book
from tests.support.simulated_queue import FAULTS, SimulatedQueue
from tests.support.tiers import sizes

MILLION = 1_000_000
SECONDS = 60.0
MEBIBYTES = 800


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(seed=953, steps=80, rewinds=True)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 150), rewinds=st.booleans())
def test_a_generated_history_passes(seed: int, steps: int, rewinds: bool, tmp_path: Path) -> None:
    book = SimulatedQueue(random.Random(seed), rewinds=rewinds).live(steps)

    report = check_history(book.save(tmp_path / "history.jsonl"))

    assert report.violations == []


def test_generated_histories_are_rough(tmp_path: Path) -> None:
    book = SimulatedQueue(random.Random(5), rewinds=True).live(4000)

    report = check_history(book.save(tmp_path / "history.jsonl"))

    assert report.ok
    causes = {"lease_expired", "failed_retry", "released", "snoozed", "replay", "redis_rewind"}
    assert causes <= set(report.causes)
    assert min(report.unknown, report.refused, report.recovered, report.duplicated) > 0


@pytest.mark.parametrize(("fault", "rule"), FAULTS.items(), ids=FAULTS)
def test_a_queue_with_a_fault_is_found_out(fault: str, rule: str, tmp_path: Path) -> None:
    found: Counter[str] = Counter()
    for seed in range(10):
        book = SimulatedQueue(random.Random(seed), fault=fault).live(600)
        report = check_history(book.save(tmp_path / "history.jsonl"))
        found.update({violation.rule for violation in report.violations})

    # Chance may pass by the fault now and then.
    assert found[rule] >= 5, found


@pytest.mark.slow
@sizes(ci={"events": MILLION // 4}, whole={"events": MILLION})
def test_a_million_events_are_checked_in_a_minute(tmp_path: Path, size: Mapping[str, Any]) -> None:
    path, jobs = tmp_path / "history.jsonl", 0
    with path.open("wb") as out:
        written = 0
        while written < size["events"]:
            book = Book()
            for _ in range(1000):
                jobs += 1
                book.enqueue(f"job-{jobs}", priority=jobs % 3)
            for name in sorted(range(jobs - 999, jobs + 1), key=lambda name: -(name % 3)):
                book.run(f"job-{name}", name)
            # Each book begins when the one before it ended.
            for event in book.events[1:]:
                event.ns += jobs * 10_000_000
                event.asked += jobs * 10_000_000 if event.asked else 0
                out.write(encode_event(event) + b"\n")
            written += len(book.events) - 1
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()

    report = check_history(path)

    taken = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{report.events} events in {taken:.1f} s of CPU, {grown:.0f} MiB more")
    assert report.events >= size["events"]
    assert report.completed == jobs
    assert report.ok
    assert taken < SECONDS * size["events"] / MILLION
    assert grown < MEBIBYTES
