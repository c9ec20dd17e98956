"""The drills judge what ran from its journal, and their page is what the committed figures say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from benchmarks.drills import journal
from benchmarks.drills.faults import DRILLS
from benchmarks.drills.journal import Run, Twice
from benchmarks.drills.page import PAGE, better, load, page
from benchmarks.drills.servers import LossyProxy, Server
from benchmarks.drills.settings import SETTINGS
from tests.quality.paths import ROOT

SECOND = 1_000_000_000


def ran(pid: int, start: float, end: float | None, *, number: int = 1, whole: bool = True) -> Run:
    """A run, by seconds."""
    at = None if end is None else int(end * SECOND)
    return Run(number, pid, int(start * SECOND), at, whole and end is not None)


def lost(pid: int, at: float) -> dict[int, list[int]]:
    return {pid: [int(at * SECOND)]}


@pytest.mark.parametrize(
    ("runs", "losses", "found"),
    [
        ([ran(7, 1, 2)], {}, Twice()),
        ([ran(7, 1, None), ran(8, 5, 6)], lost(7, 2), Twice(caused=1)),
        ([ran(7, 1, None), ran(8, 5, 6)], lost(7, 5.5), Twice(together=1)),
        ([ran(7, 1, 9), ran(8, 5, 6)], {}, Twice(together=1)),
        ([ran(7, 1, 9), ran(8, 5, 6)], lost(7, 2), Twice(caused=1)),
        ([ran(7, 1, 2), ran(8, 5, 6)], lost(7, 2.5), Twice(caused=1)),
        ([ran(7, 1, 2), ran(8, 5, 6)], lost(7, 4), Twice(again=1)),
        ([ran(7, 1, 2), ran(7, 5, 6)], {}, Twice(again=1)),
        ([ran(7, 1, 9), ran(8, 5, 20), ran(9, 10, 11)], lost(7, 2), Twice(caused=1, together=1)),
        ([ran(7, 1, 2, whole=False), ran(8, 5, 6)], {}, Twice(caused=1)),
        ([ran(7, 1, 2), ran(8, 5, 6, number=2)], {}, Twice()),
    ],
    ids=[
        "once",
        "killed while it ran",
        "killed after the second start",
        "both alive",
        "frozen while it ran",
        "killed just after its end",
        "killed long after its end",
        "again in the same worker",
        "a third run beside the second",
        "interrupted",
        "two jobs",
    ],
)
def test_second_runs_are_told_apart_by_their_cause(
    runs: list[Run], losses: dict[int, list[int]], found: Twice
) -> None:
    assert journal.twice(runs, losses) == found


def test_an_end_while_redis_was_away_is_a_cause() -> None:
    runs = [ran(7, 1, 2), ran(8, 9, 10)]

    assert journal.twice(runs, {}, (int(1.5 * SECOND), 5 * SECOND)) == Twice(caused=1)
    assert journal.twice(runs, {}, (4 * SECOND, 5 * SECOND)) == Twice(again=1)


def test_recovery_lasts_until_the_last_interrupted_job_has_started_again() -> None:
    runs = [ran(7, 1, None), ran(7, 1, None, number=2), ran(8, 4, 5), ran(8, 6, 7, number=2)]

    assert journal.again_after(runs, 7, 2 * SECOND) == 4
    assert journal.again_after(runs[:3], 7, 2 * SECOND) is None


def test_a_journal_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text("start 1 7 0 100\nstart 2 7 1 150\nend 1 7 0 200\nstopped 2 7 1 300\nstart 3 7")

    assert journal.read(path) == [Run(1, 7, 100, 200, True), Run(2, 7, 150, 300, False)]
    assert journal.finished(journal.read(path)) == {1}


def test_every_nth_reply_is_lost_after_its_command_was_carried_out() -> None:
    failed = 0
    with Server() as server, LossyProxy(server.port, 5) as proxy:
        client = redis.Redis.from_url(proxy.url, retry=Retry(NoBackoff(), 0), protocol=3)
        client.incr("count")
        proxy.dropping = True
        for _ in range(20):
            try:
                client.incr("count")
            except redis.ConnectionError:
                failed += 1
        proxy.dropping = False
        assert client.get("count") == b"21"
        client.close()

    # Those of a new connection's greeting are among them.
    assert 1 <= failed <= proxy.dropped


def test_a_rival_that_did_better_is_named_first() -> None:
    usual: dict[str, Any] = {
        "accepted": 9,
        "late": 0,
        "late_after_new_jobs": None,
        "caused": 0,
        "together": 0,
    }
    usual |= {"again": 0, "exits": 0, "again_s": 3.0, "done_s": None}
    systems = {"aiojobs_redis": [{**usual, "again": 2}], "arq": [{**usual, "done_s": 4.0}]}

    assert list(better("F1", systems)) == [
        "- F1, again after the end, without cause: arq 0; this package 2.",
        "- F1, all done, s: arq 4; this package not in time.",
    ]


def test_the_page_shows_the_committed_figures() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(load())


def test_every_system_has_every_drill_or_a_reason() -> None:
    report = load()

    assert {*report["versions"], *report["skipped"]} == set(SETTINGS)
    assert set(report["figures"]) == set(DRILLS)
    for systems in report["figures"].values():
        assert set(systems) == set(report["versions"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("drill", "happened", "jobs"),
    # Of few jobs none would be left when Redis is killed a moment late.
    [("F1", "kills", 60), ("F12", "again_s", 400), ("F26", "dropped", 60)],
)
def test_this_package_comes_out_of_a_small_drill_whole(
    drill: str, happened: str, jobs: int
) -> None:
    command = [sys.executable, "-m", "benchmarks.drills", "--rivals", "", "--drills", drill]
    done = subprocess.run(
        [*command, "--jobs", str(jobs)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["figures"][drill]["aiojobs_redis"][0]

    assert "failed" not in found
    assert found[happened] > 0
    assert (found["accepted"], found["late"], found["exits"]) == (jobs, 0, 0)
    assert (found["together"], found["again"]) == (0, 0)
