"""What commands leave in the record of actions and in its log, beside that they were asked for."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from aiojobs_redis import Queue
from tests.cli.conftest import App
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.requirement("S19"), pytest.mark.requirement("B37")]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the log `aiojobs_redis.audit` gets."""
    caplog.set_level(logging.INFO, "aiojobs_redis.audit")
    return caplog


def records(app: App) -> list[tuple[str, str | None, str | None]]:
    """Return action, job and outcome of each record, the oldest first."""
    lines = app.run("queue", "actions", "APP", "--json").stdout.splitlines()
    found = [json.loads(line) for line in reversed(lines)]
    return [(each["action"], each["job"], each["outcome"]) for each in found]


def fields(told: pytest.LogCaptureFixture, *names: str) -> list[tuple[Any, ...]]:
    mine = [vars(each) for each in told.records if each.name == "aiojobs_redis.audit"]
    return [tuple(each[name] for name in names) for each in mine]


async def running(queue: Queue) -> int:
    return (await queue.counts()).running


def test_an_enqueue_tells_which_job_it_added_or_which_was_there(
    app: App, told: pytest.LogCaptureFixture
) -> None:
    first = app.run("enqueue", "APP", "add", "1").stdout.strip()
    app.run("enqueue", "APP", "add", "1", "--id", first)

    expected = [
        ("enqueue", None, None),
        ("enqueue", first, "added"),
        ("enqueue", first, None),
        ("enqueue", first, "is there already, none was added"),
    ]
    assert records(app) == expected
    assert fields(told, "action", "job_id", "outcome") == expected


def test_a_job_of_a_schedule_is_told(app: App) -> None:
    app.work()
    made = app.run("cron", "run", "APP", "nightly").stdout.strip()

    assert records(app) == [("trigger_schedule", None, None), ("trigger_schedule", made, "added")]


def test_a_destroy_that_is_refused_stays_in_the_record_and_one_that_is_done_in_the_log(
    app: App, told: pytest.LogCaptureFixture
) -> None:
    app.run("enqueue", "APP", "wait")
    with app.worker("--grace", "0"):
        wait_for(lambda: app.do(running) == 1, "a job that runs", 30)
        refused = app.run("queue", "destroy", "APP", "--yes")
    kept = records(app)
    told.clear()
    denied = app.run("queue", "destroy", "APP", text="n\n")
    assert fields(told, "action") == []
    done = app.run("queue", "destroy", "APP", "--yes", "--force")

    assert (refused.exit_code, denied.exit_code, done.exit_code) == (1, 1, 0)
    assert kept[-2] == ("destroy", None, None)
    assert kept[-1][0] == "destroy"
    assert str(kept[-1][2]).startswith("JobStateError: ")
    assert records(app) == []
    assert fields(told, "action", "queue", "outcome") == [
        ("destroy", app.name, None),
        ("destroy", app.name, "deleted"),
    ]


def test_how_many_jobs_and_which_error_are_told(app: App, told: pytest.LogCaptureFixture) -> None:
    app.run("enqueue", "APP", "add", "1", "--id", "next")
    app.run("job", "retry", "APP", "next")
    app.run("queue", "drain", "APP", "--yes")

    error, drained = records(app)[3], records(app)[5]
    assert error[:2] == ("retry", "next")
    assert str(error[2]).startswith("JobStateError: ")
    assert drained == ("drain", None, "1 jobs")


def test_no_id_makes_a_line_of_its_own_in_the_log(app: App, told: pytest.LogCaptureFixture) -> None:
    app.run("job", "cancel", "APP", "a\nroot: destroy")

    assert len(told.messages) == 2
    assert all("\n" not in each for each in told.messages)
