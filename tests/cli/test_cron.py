"""`cron`: the schedules of an application and the next ticks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aiojobs_redis import Cron, Queue
from aiojobs_redis.cli.app import load_queue
from aiojobs_redis.cli.main import cli
from tests.cli.conftest import App


def times(result: Result) -> list[datetime]:
    assert result.exit_code == 0, result.output
    return [datetime.fromisoformat(json.loads(line)["at"]) for line in result.stdout.splitlines()]


def test_the_next_ticks_of_an_expression_are_those_of_the_calendar() -> None:
    result = CliRunner().invoke(
        cli, ["cron", "next", "30 2 * * *", "--tz", "Europe/Berlin", "-n", "3", "--json"]
    )

    ticks = times(result)
    cron = Cron("30 2 * * *", "Europe/Berlin")
    assert len(ticks) == 3
    assert ticks[0] > datetime.now(UTC)
    assert ticks[1:] == [cron.next_after(ticks[0]), cron.next_after(ticks[1])]


def test_people_see_the_weekday() -> None:
    result = CliRunner().invoke(cli, ["cron", "next", "0 12 * * MON", "-n", "2"])

    assert [line.split()[-1] for line in result.stdout.splitlines()] == ["Mon", "Mon"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["61 * * * *"], "minute '61' is out of range"),
        (["0 3 * * *", "--tz", "Mars/Base"], "'Mars/Base' is not in the IANA zone database"),
        (["app:queue:x", "--tz", "UTC"], "--tz goes with an expression"),
    ],
)
def test_a_bad_expression_is_exit_code_2(args: list[str], said: str) -> None:
    result = CliRunner().invoke(cli, ["cron", "next", *args])

    assert result.exit_code == 2
    assert said in result.stderr


def test_a_schedule_of_the_code_needs_no_redis(app: App) -> None:
    ticks = times(app.run("cron", "next", f"{app.ref}:nightly", "--json"))

    assert len(ticks) == 5
    assert {tick.astimezone(UTC).hour for tick in ticks} <= {1, 2}


def test_a_schedule_in_redis_keeps_its_phase_and_its_limit(app: App) -> None:
    async def put(queue: Queue) -> Any:
        await queue.schedule("pulse", queue.bind("add", 1), every=60, limit=3)
        return (await queue.schedules())[0].next_at

    first = app.do(put)
    ticks = times(app.run("cron", "next", f"{app.ref}:pulse", "--json"))

    assert ticks == [first + timedelta(seconds=60 * n) for n in range(3)]


def test_an_unknown_schedule_names_those_of_the_code(app: App) -> None:
    result = app.run("cron", "next", f"{app.ref}:weekly")

    assert result.exit_code == 1
    assert "there is no schedule 'weekly' of " in result.stderr
    assert "neither in the code (nightly) nor in Redis. See" in result.stderr
    assert "Did you mean nightly?" in app.run("cron", "next", f"{app.ref}:nigtly").stderr


def test_a_schedule_is_found_in_any_of_several_queues(app: App) -> None:
    both = f"{app.module}:both"

    async def put(queue: Queue) -> None:
        other = load_queue(f"{app.module}:other", None)
        async with other:
            await other.schedule("pulse", other.bind("add", 1), every=60)

    app.do(put)

    assert len(times(app.run("cron", "next", f"{both}:nightly", "--json"))) == 5
    assert len(times(app.run("cron", "next", f"{both}:pulse", "--json"))) == 5
    app.run("queue", "destroy", both, "-q", f"{app.name}-b", "--yes")


def test_schedules_are_listed_once_they_are_declared(app: App) -> None:
    before = app.run("cron", "ls", "APP")

    async def put(queue: Queue) -> None:
        await queue.schedule("pulse", queue.bind("add", 1), every=60)

    app.do(put)
    plain = app.run("cron", "ls", "APP")
    record = json.loads(app.run("cron", "ls", "APP", "--json").stdout)

    assert (before.exit_code, before.stdout) == (0, "")
    assert plain.stdout.startswith("pulse\tevery 60 s\tUTC\tadd\tyes\t")
    assert (record["id"], record["enabled"], record["runs"]) == ("pulse", True, 0)


def test_a_schedule_is_run_paused_resumed_and_removed(app: App) -> None:
    app.do(lambda queue: queue.schedule("pulse", queue.bind("add", 1), every=3600))

    ran = app.run("cron", "run", "APP", "pulse")
    as_json = app.run("cron", "run", "APP", "pulse", "--json")
    paused = app.run("cron", "pause", "APP", "pulse")
    while_paused = app.do(lambda queue: queue.schedules())
    resumed = app.run("cron", "resume", "APP", "pulse")
    denied = app.run("cron", "rm", "APP", "pulse", text="n\n")
    still_there = app.do(lambda queue: queue.schedules())
    removed = app.run("cron", "rm", "APP", "pulse", "--yes")

    assert app.do(lambda queue: queue.job(ran.stdout.strip()).state()) == "queued"
    assert json.loads(as_json.stdout)["created"] is True
    assert paused.stdout == "schedule pulse is paused\n"
    assert [info.enabled for info in while_paused] == [False]
    assert resumed.stdout == "schedule pulse goes on\n"
    assert denied.exit_code == 1
    assert "Remove schedule 'pulse' of queue" in denied.output
    assert [(info.id, info.enabled) for info in still_there] == [("pulse", True)]
    assert removed.stdout == "schedule pulse is removed\n"
    assert app.do(lambda queue: queue.schedules()) == []


def test_no_control_character_of_a_schedule_is_printed(app: App) -> None:
    app.do(lambda queue: queue.schedule("odd\x1b", queue.bind("add", 1), every=3600))

    said = [
        app.run("cron", *command, "APP", "odd\x1b").stdout
        for command in (["pause"], ["resume"], ["rm", "--yes"])
    ]

    assert [text.split()[1] for text in said] == [r"odd\x1b"] * 3


@pytest.mark.parametrize("command", ["run", "pause", "resume", "rm"])
def test_a_misspelt_schedule_is_answered_with_the_nearest(app: App, command: str) -> None:
    app.do(lambda queue: queue.schedule("pulse", queue.bind("add", 1), every=3600))
    yes = ["--yes"] if command == "rm" else []

    near = app.run("cron", command, "APP", "pulze", *yes)
    far = app.run("cron", command, "APP", "xyzzy", *yes)

    assert (near.exit_code, far.exit_code) == (1, 1)
    assert "has no schedule 'pulze' in Redis" in near.stderr
    assert "Did you mean pulse?" in near.stderr
    assert "See 'aiojobs-redis cron ls'." in far.stderr


def test_what_the_code_declares_is_said_to_come_back(app: App) -> None:
    app.work()

    asked = app.run("cron", "rm", "APP", "nightly", text="n\n")

    assert "which the code declares again?" in asked.output
