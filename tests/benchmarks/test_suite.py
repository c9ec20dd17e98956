"""The benchmarks run, and their page is what the report makes of the committed results."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.report import PAGE, RESULTS, charts, load, page
from benchmarks.rivals import RIVALS
from tests.quality.paths import ROOT


def run(question: str, jobs: int) -> dict[str, Any]:
    """Run a question once, with few jobs and against nobody."""
    command = [sys.executable, "-m", f"benchmarks.{question}", "--rivals", "", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--jobs", str(jobs)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)[question]
    assert found["machine"]["cores"]
    figures: dict[str, Any] = found["figures"]
    assert "failed" not in figures
    return figures


def test_the_page_shows_the_committed_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(load())


def test_the_charts_show_the_committed_results() -> None:
    drawn = {path.stem: path.read_text(encoding="utf-8") for path in RESULTS.glob("*.svg")}

    assert drawn == charts(load())


def test_no_rival_is_left_out_without_a_reason() -> None:
    drain = load()["drain"]
    named = {*drain["settings"], *drain["skipped"]}

    assert named == {"aiojobs_redis", *(rival.name for rival in RIVALS)}
    for case in drain["figures"].values():
        assert {*case, *case.get("failed", {})} - {"failed"} == set(drain["settings"])


@pytest.mark.slow
def test_a_drain_is_measured_in_every_case() -> None:
    figures = run("drain", 200)

    assert len(figures) == 5
    for case in figures.values():
        assert case["aiojobs_redis"]["jobs_per_second"]["median"] > 0


def test_the_bare_loop_runs_all_jobs() -> None:
    figures = run("floor", 300)

    assert all(case["bare loop"]["jobs"] == 300 for case in figures.values())


@pytest.mark.slow
def test_what_each_way_of_looking_costs_is_measured() -> None:
    figures = run("observability", 200)

    assert set(figures["added_us"]) == {"log", "prometheus", "otel without an SDK", "otel"}
    assert all(case["jobs"] == 200 for case in figures.values() if "jobs" in case)


def test_no_lower_job_passes_a_high_one() -> None:
    figures = run("overtake", 3_000)

    assert (figures["highs"], figures["lower_claimed_after_acceptance"]) == (20, 0)


def test_the_cost_of_each_operation_is_measured_at_every_depth() -> None:
    figures = run("depth", 700)

    # How long the longest took is up to the host, too; a busy one has nothing to prove here.
    assert figures["all_due"]["due_at_once"] == 700
    assert all(times > 0 for times in figures["times"].values())
