"""Settings: each variable and each key has its effect, and `config` tells where it came from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Queue, Worker
from aiojobs_redis.config import SETTINGS, without_secrets
from tests.cli.conftest import App

PYPROJECT = "[tool.aiojobs_redis]\n"


@pytest.fixture(autouse=True)
def environment_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the caller's environment, and nothing left in it of a command's."""
    names = [setting.variable for setting in SETTINGS.values()]
    before = {name: os.environ.pop(name, None) for name in [*names, "REDIS_URL"]}
    yield
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture
def plain(app: App) -> str:
    """An application that leaves everything to the settings."""
    (app.folder / "plain.py").write_text(
        "from aiojobs_redis import Queue\n"
        "queue = Queue('mail')\nother = Queue('post')\nqueues = [queue, other]\n"
        "@queue.task\ndef add() -> None: ...\n"
    )
    return "plain:queues"


def dry_run(app: App, ref: str, *options: str) -> dict[str, Any]:
    result = app.run("worker", ref, "--dry-run", "--json", *options)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


# What each setting changes: a value that is none of the defaults, and where it is seen.
EFFECTS: dict[str, tuple[str, str, Any]] = {
    "url": ("redis://127.0.0.1:7/3", "redis", ["127.0.0.1:7/3"]),
    "concurrency": ("33", "concurrency", 33),
    "processes": ("3", "processes", 3),
    "executor_processes": ("5", "executor_processes", 5),
    "grace": ("7.5", "grace", 7.5),
    "queues": ("post:3", "weights", {"post": 3.0}),
    "heartbeat_file": ("/run/alive", "heartbeat_file", "/run/alive"),
    "metrics_port": ("9187", "metrics_port", 9187),
    "metrics_host": ("::1", "metrics_host", "::1"),
    "log_level": ("debug", "log_level", "debug"),
    "log_format": ("json", "log_format", "json"),
}
OF_LIBRARY = {"namespace", "attempts", "read_only"}


def test_every_setting_is_among_those_whose_effect_is_tested() -> None:
    here = {name for name, setting in SETTINGS.items() if setting.of != "web"}

    assert set(EFFECTS) | OF_LIBRARY == here


@pytest.mark.requirement("R17")
@pytest.mark.parametrize("name", EFFECTS)
def test_each_environment_variable_has_an_effect(
    app: App, plain: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    value, field, seen = EFFECTS[name]
    before = dry_run(app, plain)[field]
    monkeypatch.setenv(SETTINGS[name].variable, value)
    app.forget("plain")

    assert dry_run(app, plain)[field] == seen != before


@pytest.mark.parametrize("name", EFFECTS)
def test_each_key_of_the_project_has_an_effect(app: App, plain: str, name: str) -> None:
    value, field, seen = EFFECTS[name]
    number = value.replace(".", "").isdecimal()
    written = value if number else json.dumps([value] if name == "queues" else value)
    (app.folder / "pyproject.toml").write_text(f"{PYPROJECT}{name} = {written}\n")

    assert dry_run(app, plain)[field] == seen


@pytest.mark.requirement("R17")
async def test_the_namespace_and_the_attempts_of_the_environment_apply_to_a_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIOJOBS_REDIS_NAMESPACE", "shop")
    monkeypatch.setenv("AIOJOBS_REDIS_ATTEMPTS", "7")

    queue = Queue("mail", url="memory://settings")

    assert (queue.namespace, queue.defaults.values["attempts"]) == ("shop", 7)
    assert Queue("mail", url="memory://settings", namespace="own").namespace == "own"


@pytest.mark.requirement("R17")
async def test_a_job_is_dead_after_the_attempts_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIOJOBS_REDIS_ATTEMPTS", "2")
    monkeypatch.setenv("AIOJOBS_REDIS_NAMESPACE", "shop")
    async with Queue("mail", url="memory://attempts") as queue:

        @queue.task(backoff=[0.0])
        async def fail() -> None:
            raise ValueError

        job = await fail.enqueue()
        await Worker(queue).run(burst=True)
        info = await job.info()

    assert info is not None
    assert (info.state, info.attempt) == ("dead", 2)
    assert all(key.startswith(b"shop:{mail}:") for key in queue.store.keys.values())


@pytest.mark.requirement("R17")
def test_what_a_process_logs_follows_the_environment(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOJOBS_REDIS_LOG_FORMAT", "json")
    monkeypatch.setenv("AIOJOBS_REDIS_CONCURRENCY", "3")
    with app.worker("--burst") as process:
        assert process.wait(60) == 0

    first = json.loads(app.log.splitlines()[0])
    assert f"queues {app.name}, 3 jobs at once" in first["message"]


@pytest.mark.parametrize("value", ["0", "many", "-1", "10001", "1.5"])
def test_attempts_of_the_environment_that_are_none_are_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("AIOJOBS_REDIS_ATTEMPTS", value)

    with pytest.raises(ConfigInvalid, match="AIOJOBS_REDIS_ATTEMPTS must be a whole number"):
        Queue("mail", url="memory://settings")


def test_argument_comes_before_environment_before_project_before_default(
    app: App, plain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dry_run(app, plain)["concurrency"] == 10
    (app.folder / "pyproject.toml").write_text(f"{PYPROJECT}concurrency = 20\n")
    assert dry_run(app, plain)["concurrency"] == 20
    monkeypatch.setenv("AIOJOBS_REDIS_CONCURRENCY", "30")
    assert dry_run(app, plain)["concurrency"] == 30
    assert dry_run(app, plain, "-c", "40")["concurrency"] == 40


def test_the_default_that_is_written_out_still_comes_before_the_project(
    app: App, plain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app.folder / "pyproject.toml").write_text(f"{PYPROJECT}concurrency = 20\n")
    monkeypatch.setenv("AIOJOBS_REDIS_CONCURRENCY", "10")
    assert dry_run(app, plain)["concurrency"] == 10
    monkeypatch.delenv("AIOJOBS_REDIS_CONCURRENCY")
    assert dry_run(app, plain, "-c", "10")["concurrency"] == 10


def test_a_worker_of_the_code_yields_to_the_environment_but_not_to_the_project(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app.folder / "made.py").write_text(
        f"from {app.module} import queue\nfrom aiojobs_redis import Worker\n"
        "worker = Worker(queue, concurrency=4, grace=8)\n"
    )
    (app.folder / "pyproject.toml").write_text(f"{PYPROJECT}concurrency = 20\ngrace = 20\n")
    assert [dry_run(app, "made:worker")[field] for field in ("concurrency", "grace")] == [4, 8]
    monkeypatch.setenv("AIOJOBS_REDIS_CONCURRENCY", "30")
    assert dry_run(app, "made:worker")["concurrency"] == 30


def settings(app: App) -> dict[str, dict[str, Any]]:
    result = app.run("config", "--json")
    assert result.exit_code == 0, result.output
    return {row["setting"]: row for row in map(json.loads, result.stdout.splitlines())}


def test_config_tells_each_setting_with_its_source(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOJOBS_REDIS_GRACE", "3")
    monkeypatch.setenv("REDIS_URL", "redis://ada:se%20cret@far:1/2?ssl_password=geheim&db=4")
    (app.folder / "pyproject.toml").write_text(
        f'{PYPROJECT}concurrency = 20\nnamespace = "shop"\nurl = "redis://unused"\n'
    )

    found = settings(app)

    assert list(found) == [name for name in SETTINGS if name in found]
    assert found.keys() >= {name for name, each in SETTINGS.items() if each.of != "web"}
    shown = {name: (row["value"], row["from"]) for name, row in found.items()}
    assert shown["grace"] == (3.0, "environment AIOJOBS_REDIS_GRACE")
    assert shown["concurrency"] == (20, "pyproject.toml")
    assert shown["namespace"] == ("shop", "pyproject.toml")
    assert shown["log_level"] == ("info", "default")
    hidden = "redis://ada:***@far:1/2?ssl_password=***&db=4"
    assert shown["url"] == (hidden, "environment REDIS_URL")
    assert "cret" not in app.run("config").output
    assert "geheim" not in app.run("config").output


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://:pw@h", "redis://:***@h"),
        ("redis://ada@h", "redis://ada@h"),
        ("redis://a:p@ss@h", "redis://a:***@h"),
        (
            "redis+sentinel://h/m?sentinel_password=x&a=1",
            "redis+sentinel://h/m?sentinel_password=***&a=1",
        ),
        ("hunter2", "***"),
    ],
)
def test_no_password_of_a_url_is_shown(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("concurrancy = 3", "has no setting 'concurrancy'. Did you mean concurrency?"),
        ("xyzzy = 3", "has no setting 'xyzzy'. There are url, namespace"),
        ('concurrency = "many"', "must be a whole number, as in concurrency = 10; got 'many'"),
        ("concurrency = true", "must be a whole number, as in concurrency = 10; got True"),
        ("concurrency = 2.5", "must be a whole number, as in concurrency = 10; got 2.5"),
        ("grace = false", "must be a number, as in grace = 2.5; got False"),
        ('queues = "high:3"', """as in queues = ["high:3", "low:1"]; got 'high:3'"""),
        ("queues = [1]", "must be a list of texts"),
        ('read_only = "maybe"', "must be true or false, as in read_only = true; got 'maybe'"),
        ("attempts = 0", "must be from 1 to 10,000, got 0"),
        ("url = 5", "must be a text"),
        ('log_level = "loud"', "'loud' is not one of"),
        ("concurrency = 0", "0 is no whole number from 1 to 100,000"),
        ("concurrency = {a = 1}", "must be a whole number"),
        ("concurrency =", "cannot be read"),
    ],
)
def test_a_wrong_project_is_named_with_file_key_and_value(
    app: App, plain: str, table: str, said: str
) -> None:
    (app.folder / "pyproject.toml").write_text(f"{PYPROJECT}{table}\n")

    result = app.run("worker", plain, "--dry-run")

    assert result.exit_code == 2
    assert said in result.stderr
    assert "pyproject.toml" in result.stderr


def test_a_wrong_variable_is_named(app: App, plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOJOBS_REDIS_CONCURRENCY", "many")

    result = app.run("worker", plain, "--dry-run")

    assert result.exit_code == 2
    assert "AIOJOBS_REDIS_CONCURRENCY of the environment: 'many'" in result.stderr


def test_an_empty_variable_counts_as_not_set(
    app: App, plain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in SETTINGS.values():
        monkeypatch.setenv(setting.variable, "")

    assert dry_run(app, plain)["concurrency"] == 10
    assert {row["from"] for row in settings(app).values()} == {"default"}
