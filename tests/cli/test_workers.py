"""`workers quiet`, `resume` and `stop`: workers are told from afar, and say so."""

from __future__ import annotations

import json

import pytest

from aiojobs_redis import WorkerInfo
from tests.cli.conftest import App
from tests.support.waiting import wait_for


def infos(app: App) -> list[WorkerInfo]:
    """Return the workers that are seen."""
    return app.do(lambda queue: queue.workers())


def wait_for_states(app: App, *states: str) -> list[WorkerInfo]:
    """Wait until these are the states of the workers that are seen."""
    found: list[WorkerInfo] = []

    def are_so() -> bool:
        found[:] = infos(app)
        return sorted(info.state for info in found) == sorted(states)

    wait_for(are_so, f"workers that are {states}", 30)
    return found


def test_a_worker_is_quiet_until_it_is_to_go_on_and_ends_when_it_is_to_stop(app: App) -> None:
    with app.worker() as process:
        (info,) = wait_for_states(app, "running")
        quiet = app.run("workers", "quiet", "APP", info.id)
        wait_for_states(app, "quiet")
        shown = json.loads(app.run("workers", "APP", "--json").stdout)
        resumed = app.run("workers", "resume", "APP", info.id)
        wait_for_states(app, "running")
        stopped = app.run("workers", "stop", "APP", info.id)
        code = process.wait(30)
    actions = app.run("queue", "actions", "APP", "--json").stdout.splitlines()

    assert quiet.stdout == f"worker {info.id} is asked to be quiet\n"
    assert resumed.stdout == f"worker {info.id} is asked to claim jobs again\n"
    assert stopped.stdout == f"worker {info.id} is asked to stop\n"
    assert (shown["state"], shown["asked"]) == ("quiet", None)
    assert code == 0
    assert "stopping, as an operator asked" in app.log
    assert infos(app) == []
    assert [
        (record["action"], record["details"]) for record in map(json.loads, reversed(actions))
    ] == [(f"{word}_worker", {"worker": info.id}) for word in ("quiet", "resume", "stop")]


def test_all_are_asked_once_over_all_queues_and_who_is_to_stop_them_is_asked(app: App) -> None:
    both = f"{app.module}:both"
    with app.worker(ref=both) as first, app.worker(ref=both) as second:
        one, other = wait_for_states(app, "running", "running")
        quiet = app.run("workers", "quiet", both, "--all")
        wait_for_states(app, "quiet", "quiet")
        denied = app.run("workers", "stop", both, "--all", text="n\n")
        nobody = app.run("workers", "stop", both, "--all", text="")
        assert first.poll() is None
        stopped = app.run("workers", "stop", both, "--all", text="y\n")
        codes = [first.wait(30), second.wait(30)]

    assert sorted(quiet.stdout.splitlines()) == sorted(
        f"worker {info.id} is asked to be quiet" for info in (one, other)
    )
    assert denied.exit_code == nobody.exit_code == 1
    assert denied.stdout == nobody.stdout == ""
    assert f"Stop 2 workers of {app.name}, {app.name}-b?" in denied.stderr
    assert "nothing was done" in denied.stderr
    assert "--yes leaves the question out" in nobody.stderr
    assert stopped.exit_code == 0, stopped.output
    assert codes == [0, 0]


def test_a_worker_that_is_not_there_is_named_and_nobody_is_asked(app: App) -> None:
    none = app.run("workers", "quiet", "APP", "--all")
    with app.worker():
        (info,) = wait_for_states(app, "running")
        near = app.run("workers", "stop", "APP", info.id, info.id + "x")
        (still,) = infos(app)

    assert none.exit_code == near.exit_code == 1
    assert f"no worker of {app.name} was seen in the last minute" in none.stderr
    assert f"Nobody was asked for anything. Did you mean {info.id}?" in near.stderr
    assert still.asked is None
    assert app.run("queue", "actions", "APP").stdout == ""


@pytest.mark.parametrize("words", [[], ["some-id", "--all"]])
def test_either_ids_or_all_are_to_be_named(app: App, words: list[str]) -> None:
    result = app.run("workers", "stop", "APP", *words)

    assert result.exit_code == 2
    assert "Name the workers by their ids, or all of them with --all." in result.stderr


def test_without_a_command_workers_are_listed_and_a_misspelt_one_is_named(app: App) -> None:
    assert app.run("workers", "APP").exit_code == app.run("workers", "--json", "APP").exit_code == 0
    assert "Missing argument 'APP'" in app.run("workers").stderr
    misspelt = app.run("workers", "quite", "APP")

    assert misspelt.exit_code == 2
    assert "There is no command 'quite'. Did you mean quiet?" in misspelt.stderr
