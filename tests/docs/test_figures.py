"""The figures of docs/scaling.md are those that were recorded for the benchmarks."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.docs.pages import DOCS

PAGE = (DOCS / "scaling.md").read_text()


def recorded(name: str) -> Any:
    return json.loads((DOCS / "benchmarks" / f"{name}.json").read_text())["figures"]


def median(value: Any) -> float:
    return float(value["median"])


def row(title: str) -> list[float]:
    """Return the numbers of a row of a table, those in its first cell left out."""
    found = re.search(rf"^\| {re.escape(title)}[^|]*\|(.*)\|$", PAGE, re.M)
    assert found is not None, title
    return [float(text.replace(",", "")) for text in re.findall(r"\d[\d,.]*\d|\d", found[1])]


def expected() -> dict[str, list[float]]:
    drain, enqueue, processes = recorded("drain"), recorded("enqueue"), recorded("processes")
    ours = "aiojobs_redis"
    depth = recorded("depth")["server_us_a_call"]
    memory = recorded("memory")
    found = {
        "jobs that do nothing": [median(drain["c=100"][ours]["jobs_per_second"])],
        "the same at concurrency 10": [median(drain["c=10"][ours]["jobs_per_second"])],
        "jobs of 1 ms": [
            median(processes[f"{number} processes"]["jobs_per_second"]) for number in (1, 2, 4)
        ],
        "enqueue one by one": [
            median(enqueue[way][ours]["jobs_per_second"])
            for way in ("one by one", "50 callers", "in bulk")
        ],
        "Redis' processor time": [median(recorded("redis_cost")["whole life"][ours]["server_us"])],
        "an idle worker": [median(recorded("idle")[ours]["round_trips_per_second"])],
        "memory of a worker process": [median(drain["c=100"][ours]["rss_mb"])],
        "a job that waits": [median(memory["waiting"][ours]["bytes_per_job"])],
        "a completed one": [median(memory["finished"][ours]["bytes_per_job"])],
    }
    for call in ("enqueue", "claim", "counts", "first page"):
        found["an enqueue" if call == "enqueue" else call] = [
            float(depth[jobs][call]) for jobs in ("1000", "1000000")
        ]
    return found


@pytest.mark.requirement("B40")
@pytest.mark.parametrize(("title", "values"), expected().items())
def test_a_figure_is_the_recorded_one(title: str, values: list[float]) -> None:
    assert row(title) == pytest.approx(values, rel=0.005)


def test_the_longest_script_and_the_recovery_are_the_recorded_ones() -> None:
    longest = recorded("depth")["all_due"]["longest_script_ms"]
    again = recorded("recovery")["aiojobs_redis"]["first_s"]

    assert f"took {longest:g} ms" in PAGE
    assert f"by default: {again:g} s in the benchmark" in PAGE
