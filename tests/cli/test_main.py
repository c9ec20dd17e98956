"""The command as a whole: help, speed, misspelt commands, exit codes."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import time
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from aiojobs_redis.cli.main import cli
from aiojobs_redis.version import VERSION
from tests.cli.conftest import App

HELP_SECONDS = 0.15
HEAVY = {"asyncio", "croniter", "msgspec", "redis", "rich", "aiojobs_redis.queue"}


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


ALL = dict(commands(cli))


def test_the_commands_are_those_of_the_reference() -> None:
    assert {" ".join(path) for path in ALL} == {
        *("worker", "dev", "init", "demo", "enqueue", "stats", "top"),
        *("workers", "workers ls", "workers quiet", "workers resume", "workers stop"),
        *("web", "doctor", "config", "check-history"),
        *("queue", "queue ls", "queue show", "queue actions", "queue pause", "queue resume"),
        *("queue drain", "queue clean", "queue promote", "queue destroy"),
        *("job", "job logs", "job ls", "job show", "job watch"),
        *("job cancel", "job retry", "job promote", "job remove"),
        *("dead", "dead ls", "dead show", "dead replay", "dead remove"),
        *("cron", "cron ls", "cron next", "cron run", "cron pause", "cron resume", "cron rm"),
    }


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_each_help_text_has_examples_that_name_the_command(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"])

    assert result.exit_code == 0
    assert f"aiojobs-redis {' '.join(path)}" in result.output.partition("Examples:")[2]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_each_option_says_what_it_does(path: tuple[str, ...]) -> None:
    options = [p for p in ALL[path].params if isinstance(p, click.Option)]

    assert [o.name for o in options if not o.help and not isinstance(o.type, click.Choice)] == [
        name for name in ("count",) if path == ("cron", "next")
    ]


def test_the_list_of_commands_is_that_of_their_own_help() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output

    for path in ALL:
        if len(path) == 1:
            assert f"  {path[0]} " in shown


def _took(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return time.perf_counter() - began


def test_help_takes_less_than_its_limit() -> None:
    helped: list[float] = []
    bare: list[float] = []
    # The best of five on a machine with nothing else to do; of more on one that is shared, and
    # there in proportion to the least that a command with click can take.
    while len(helped) < 30 and (len(helped) < 5 or min(helped) >= HELP_SECONDS):
        bare.append(_took("-c", "import click"))
        helped.append(_took("-m", "aiojobs_redis", "--help"))

    assert min(helped) < max(HELP_SECONDS, 2.2 * min(bare))


@pytest.mark.parametrize("args", [["--help"], ["worker", "--help"]])
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    program = (
        "import sys; from aiojobs_redis.cli.main import cli\n"
        f"cli({args!r}, standalone_mode=False)\n"
        "print('LOADED', *sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert HEAVY & set(result.stdout.partition("LOADED")[2].split()) == set()


def test_no_command_loads_anything_heavy_to_show_its_help() -> None:
    paths = [[*path, "--help"] for path in ALL]
    program = (
        "import sys; from aiojobs_redis.cli.main import cli\n"
        f"for path in {paths!r}: cli(path, standalone_mode=False)\n"
        "print('LOADED', *sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert HEAVY & set(result.stdout.rpartition("LOADED")[2].split()) == set()


def test_the_console_entry_point_is_the_one_of_the_package() -> None:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="aiojobs-redis")

    assert entry.value == "aiojobs_redis.cli.main:main"


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "aiojobs_redis", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)

    assert result.stdout == f"aiojobs-redis, version {VERSION}\n"


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["dctor"], "Did you mean doctor?"),
        (["stat"], "Did you mean stats"),
        (["dead", "replya"], "Did you mean replay?"),
        (["xyzzy"], "The commands are worker, dev, init"),
        (["job", "xyzzy"], "The commands are cancel, logs, ls, promote, remove, retry, show, "),
    ],
)
def test_a_misspelt_command_is_answered_with_the_nearest(args: list[str], hint: str) -> None:
    result = CliRunner().invoke(cli, args)

    assert result.exit_code == 2
    assert hint in result.stderr


def test_a_misspelt_option_is_answered_with_the_nearest() -> None:
    result = CliRunner().invoke(cli, ["worker", "app:queue", "--concurency", "3"])

    assert result.exit_code == 2
    assert "--concurrency" in result.stderr


def test_the_first_sentence_of_each_command_is_whole_in_the_list_of_its_group() -> None:
    for group in ("queue", "job", "dead", "cron"):
        shown = CliRunner().invoke(cli, [group, "--help"]).output
        assert "..." not in shown.partition("Commands:")[2].partition("Examples:")[0]


def test_no_arguments_print_the_help() -> None:
    result = CliRunner().invoke(cli, [])

    assert result.exit_code == 2
    assert "Commands:" in result.output


def test_redis_that_is_not_there_is_exit_code_3(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    (app.folder / "away.py").write_text(
        "from aiojobs_redis import Queue\nqueue = Queue('q', url='redis://127.0.0.1:1/0')\n"
    )

    for command in ("stats", "doctor", "dead ls"):
        result = app.run(*command.split(), "away:queue")
        assert result.exit_code == 3, result.output
        assert "Redis at 127.0.0.1:1/0 is not available" in result.stderr
    sys.modules.pop("away")
