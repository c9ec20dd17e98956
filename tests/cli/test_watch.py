"""`job watch`: one job to its end, as a bar, as lines or as JSON; an exit code for each end."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from aiojobs_redis import LogLine
from aiojobs_redis.cli.job_watch import new_lines
from tests.cli.conftest import App
from tests.support.terminal import Terminal


def test_a_job_is_followed_through_its_progress_and_its_log(app: App) -> None:
    job = app.do(lambda queue: queue.enqueue("report", 3))
    with app.worker():
        watched = app.run("job", "watch", "APP", job.id, "--timeout", "30")
        again = app.run("job", "watch", "APP", job.id, "--json")

    assert watched.exit_code == 0, watched.output
    lines = watched.stdout.splitlines()
    assert lines[-1] == "state\tcompleted\tattempt 1"
    assert [line.rpartition("\t")[2] for line in lines if line.startswith("log\t")] == [
        "line\\t0",
        "line\\t1",
        "line\\t2",
    ]
    assert "progress\t3\t3\tcounting" in lines
    records = [json.loads(line) for line in again.stdout.splitlines()]
    assert [record["type"] for record in records] == ["log"] * 3 + ["progress", "state"]
    assert (records[-2]["done"], records[-2]["total"]) == (3, 3)
    assert records[-1]["state"] == "completed"


def test_the_exit_code_says_how_it_ended(app: App) -> None:
    app.do(lambda queue: queue.enqueue("fail", "no \x1b[31m", id="failed"))
    app.work()
    app.do(lambda queue: queue.enqueue("add", 1, id="late", delay=3600))
    late = app.run("job", "watch", "APP", "late", "--timeout", "0")
    app.run("job", "cancel", "APP", "late", "-r", "wrong")

    failed = app.run("job", "watch", "APP", "failed")
    cancelled = app.run("job", "watch", "APP", "late")
    unknown = app.run("job", "watch", "APP", "nobody")

    assert [each.exit_code for each in (failed, cancelled, unknown, late)] == [1, 4, 1, 5]
    assert "job failed is dead: ValueError: no \\x1b[31m" in failed.stderr
    assert "job late was cancelled: wrong" in cancelled.stderr
    assert "there is no record of job nobody" in unknown.stderr
    assert "job late is scheduled after 0 s. It goes on." in late.stderr


def test_a_job_that_leaves_nothing_behind_is_not_waited_for_for_ever(app: App) -> None:
    app.do(lambda queue: queue.enqueue("report", 3, id="gone", keep_result=0, delay=3))
    with app.worker():
        watched = app.run("job", "watch", "APP", "gone", "--timeout", "60")

    assert watched.exit_code == 1
    assert "and is gone: it was removed, or it ended and keeps no result" in watched.stderr


def test_a_terminal_gets_a_bar_with_the_log_above_it(app: App) -> None:
    job = app.do(lambda queue: queue.enqueue("report", 3))
    with app.worker(), Terminal(app.folder, "job", "watch", app.ref, job.id) as terminal:
        code = terminal.wait()

    assert code == 0
    shown = terminal.text
    assert "line\\t2" in shown
    assert "report completed, attempt 1" in shown
    assert "100%" in shown


def line(number: int) -> LogLine:
    return LogLine(datetime.fromtimestamp(number, UTC), 1, f"line {number}")


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ([], [1, 2], [1, 2]),
        ([1, 2], [1, 2], []),
        ([1, 2], [1, 2, 3], [3]),
        ([1, 2, 3], [2, 3, 4], [4]),
        ([1, 2], [5, 6], [5, 6]),
        ([1, 1], [1, 1, 1], [1]),
        ([1], [], []),
    ],
)
def test_new_lines_are_found_also_when_old_ones_are_gone(
    before: list[int], now: list[int], new: list[int]
) -> None:
    found = new_lines([line(n) for n in before], [line(n) for n in now])

    assert list(found) == [line(n) for n in new]
