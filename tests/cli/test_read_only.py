"""With `read_only` no command changes anything in Redis, and those that only look work."""

from __future__ import annotations

import getpass
import json
import platform
from typing import Any

import pytest

from aiojobs_redis.cli.groups import Changing
from tests.cli.conftest import App
from tests.cli.test_main import ALL
from tests.support.raw import add_deaf_worker

# Commands that change nothing in Redis; `demo` has a server of its own.
LOOKING = {
    *("init", "demo", "stats", "workers ls", "top", "doctor", "config", "check-history"),
    *("queue ls", "queue show", "queue actions", "job ls", "job show", "job logs", "job watch"),
    *("dead ls", "dead show", "cron ls", "cron next"),
}
GROUPS = {"queue", "job", "dead", "cron", "workers"}

CHANGING: dict[str, list[str]] = {
    "worker": ["--burst"],
    "dev": ["--no-web"],
    "enqueue": ["add", "1"],
    "queue pause": [],
    "queue resume": [],
    "queue drain": ["--yes"],
    "queue clean": ["--state", "queued", "--yes"],
    "queue promote": ["--yes"],
    "queue destroy": ["--yes"],
    "job cancel": ["late"],
    "job retry": ["late"],
    "job promote": ["late"],
    "job remove": ["late", "--yes"],
    "dead replay": ["--all", "--yes"],
    "dead remove": ["--all", "--yes"],
    "cron run": ["nightly"],
    "cron pause": ["nightly"],
    "cron resume": ["nightly"],
    "cron rm": ["nightly", "--yes"],
    "workers quiet": ["--all"],
    "workers resume": ["--all"],
    "workers stop": ["--all", "--yes"],
}


def test_every_command_is_one_that_looks_or_one_that_changes() -> None:
    # The dashboard has a read-only mode of its own.
    names = {" ".join(path) for path in ALL} - {"web"}

    assert names == LOOKING | GROUPS | set(CHANGING)
    changing = {" ".join(path) for path, each in ALL.items() if isinstance(each, Changing)}
    assert changing - {"web"} == set(CHANGING)


def test_every_command_that_shows_something_has_json() -> None:
    # What these show is not data: files that were written, a show.
    showing = LOOKING - {"init", "demo"}
    named = {
        " ".join(path)
        for path, command in ALL.items()
        if any("--json" in param.opts for param in command.params)
    }

    assert showing - named == set()


@pytest.mark.requirement("B37")
@pytest.mark.parametrize("command", CHANGING)
def test_a_command_that_changes_something_is_refused(
    app: App, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    app.do(lambda queue: queue.enqueue("add", 1, id="late", delay=3600))
    before = app.run("stats", "APP", "--json").stdout
    monkeypatch.setenv("AIOJOBS_REDIS_READ_ONLY", "1")

    result = app.run(*command.split(), "APP", *CHANGING[command])

    assert result.exit_code == 2, result.output
    assert f"'aiojobs-redis {command}' changes something, and read_only is set" in result.stderr
    assert app.run("stats", "APP", "--json").stdout == before


# What each of them leaves in the record of actions; a queue that is deleted takes that along.
NOTED: dict[str, tuple[str, str | None]] = {
    "enqueue": ("enqueue", None),
    "queue pause": ("pause", None),
    "queue resume": ("resume", None),
    "queue drain": ("drain", None),
    "queue clean": ("clean", None),
    "queue promote": ("promote_all", None),
    "job cancel": ("cancel", "late"),
    "job retry": ("retry", "late"),
    "job promote": ("promote", "late"),
    "job remove": ("remove", "late"),
    "dead replay": ("replay_all", None),
    "dead remove": ("clean", None),
    "cron run": ("trigger_schedule", None),
    "cron pause": ("pause_schedule", None),
    "cron resume": ("resume_schedule", None),
    "cron rm": ("remove_schedule", None),
    "workers quiet": ("quiet_worker", None),
    "workers resume": ("resume_worker", None),
    "workers stop": ("stop_worker", None),
}


def test_every_command_that_changes_something_is_among_those_that_are_noted() -> None:
    assert set(CHANGING) - set(NOTED) == {"worker", "dev", "queue destroy"}


@pytest.mark.requirement("B37")
@pytest.mark.parametrize("command", NOTED)
def test_who_did_what_is_noted(app: App, command: str) -> None:
    app.do(lambda queue: queue.enqueue("add", 1, id="late", delay=3600))
    app.do(lambda queue: queue.enqueue("add", 1, id="next"))
    if command.startswith("dead"):
        app.do(lambda queue: queue.enqueue("stumble", id="lost"))
        app.work()
    if command.startswith("workers"):
        app.do(add_deaf_worker)

    app.run(*command.split(), "APP", *CHANGING[command])

    shown = app.run("queue", "actions", "APP", "--json").stdout.splitlines()
    # A second one, with what came of it, is above it.
    record = json.loads(shown[-1])
    assert record["outcome"] is None
    assert (record["action"], record["job"]) == NOTED[command]
    assert record["who"] == f"{getpass.getuser()}@{platform.node()} (command line)"


def test_looking_goes_on(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.do(lambda queue: queue.enqueue("add", 1, id="late", delay=3600))
    monkeypatch.setenv("AIOJOBS_REDIS_READ_ONLY", "yes")

    assert app.run("job", "show", "APP", "late").exit_code == 0
    assert app.run("worker", "APP", "--dry-run").exit_code == 0
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in app.run("config", "--json").stdout.splitlines()
    ]
    (row,) = [row for row in rows if row["setting"] == "read_only"]
    assert (row["value"], row["from"]) == (True, "environment AIOJOBS_REDIS_READ_ONLY")


def test_neither_yes_nor_no_is_refused(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOJOBS_REDIS_READ_ONLY", "maybe")

    result = app.run("queue", "pause", "APP")

    assert result.exit_code == 2
    assert "AIOJOBS_REDIS_READ_ONLY must be 1 or 0, got 'maybe'" in result.stderr


def test_the_project_can_make_it_read_only(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOJOBS_REDIS_READ_ONLY", "")
    (app.folder / "pyproject.toml").write_text("[tool.aiojobs_redis]\nread_only = true\n")

    assert app.run("queue", "pause", "APP").exit_code == 2
