"""`job`, `dead` and `stats`: what they show, and what replaying does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from click.testing import Result

from aiojobs_redis import Counts, JobInfo, Queue
from aiojobs_redis._redis import inspector
from aiojobs_redis._redis.inspector import Inspector
from aiojobs_redis.cli import dead
from tests.cli.conftest import App


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


async def fill(queue: Queue) -> None:
    for n in range(3):
        await queue.enqueue("add", n, id=f"add-{n}")
    await queue.enqueue("fail", "tab\there", id="dead-1")
    await queue.enqueue("stumble", id="dead-2")


@pytest.fixture
def filled(app: App) -> App:
    """Three completed jobs, two dead ones of different errors, one queued, one scheduled."""
    app.do(fill)
    app.work()

    async def more(queue: Queue) -> None:
        await queue.enqueue("add", 5, id="next")
        await queue.enqueue("add", 6, id="later", delay=600)

    app.do(more)
    return app


def test_jobs_of_all_states_are_listed(filled: App) -> None:
    rows = lines(filled.run("job", "ls", "APP", "--json"))

    assert [row["id"] for row in rows[:2]] == ["next", "later"]
    assert {row["id"] for row in rows[2:4]} == {"dead-1", "dead-2"}
    assert {row["id"] for row in rows[4:]} == {"add-0", "add-1", "add-2"}


def test_jobs_are_filtered_by_state_and_task_and_paged(filled: App) -> None:
    completed = lines(filled.run("job", "ls", "APP", "--state", "completed", "--json"))
    second = filled.run(
        "job", "ls", "APP", "--state", "completed", "--offset", "1", "--limit", "1", "--json"
    )
    stumbled = lines(filled.run("job", "ls", "APP", "--task", "stumble", "--json"))
    limited = lines(filled.run("job", "ls", "APP", "--limit", "3", "--json"))

    assert [row["state"] for row in completed] == ["completed"] * 3
    assert lines(second) == [completed[1]]
    assert [row["id"] for row in stumbled] == ["dead-2"]
    assert len(limited) == 3
    assert filled.run("job", "ls", "APP", "--offset", "1").exit_code == 2


def test_a_pipe_gets_a_line_a_job_with_tabs_between(filled: App) -> None:
    result = filled.run("job", "ls", "APP", "--state", "dead")

    rows = {line.split("\t")[0]: line.split("\t") for line in result.stdout.splitlines()}
    assert rows["dead-1"][1:4] == ["dead", "fail", "1"]
    assert rows["dead-1"][-1] == "ValueError: tab\\there"


def test_a_job_is_shown_with_its_errors(filled: App) -> None:
    shown = filled.run("job", "show", "APP", "dead-1")
    (record,) = lines(filled.run("job", "show", "APP", "dead-1", "--json"))

    assert "state\tdead" in shown.stdout.splitlines()
    assert "raise ValueError(text)" in shown.stdout
    assert record["errors"][0]["type"] == "ValueError"
    assert record["args"] == ["tab\there"]


def test_the_result_of_a_completed_job_is_shown_as_json(filled: App) -> None:
    shown = filled.run("job", "show", "APP", "add-2").stdout.splitlines()
    (record,) = lines(filled.run("job", "show", "APP", "add-2", "--json"))

    assert "result\t3" in shown
    assert record["result"] == 3
    assert not any(line.startswith("result") for line in shown_of(filled, "dead-1"))


def test_a_result_that_was_too_large_says_so(app: App) -> None:
    app.do(lambda queue: queue.enqueue("flood", id="large"))
    app.work()

    (record,) = lines(app.run("job", "show", "APP", "large", "--json"))

    assert record["result"] is None
    assert "large" in record["result_error"]


def shown_of(app: App, job: str) -> list[str]:
    return app.run("job", "show", "APP", job).stdout.splitlines()


@pytest.mark.requirement("B12")
def test_progress_and_log_of_a_job_are_shown(app: App) -> None:
    app.do(lambda queue: queue.enqueue("report", 15, id="told"))
    app.work()
    shown = app.run("job", "show", "APP", "told").stdout.splitlines()
    (record,) = lines(app.run("job", "show", "APP", "told", "--json"))
    (row,) = lines(app.run("job", "ls", "APP", "--json"))
    log = app.run("job", "logs", "APP", "told").stdout.splitlines()
    entries = lines(app.run("job", "logs", "APP", "told", "--last", "2", "--json"))

    assert record["progress"] == row["progress"]
    assert [record["progress"][name] for name in ("done", "total", "note")] == [15, 15, "counting"]
    assert len(log) == 15
    assert log[0].endswith("  attempt 1  line\\t0")
    assert shown[-10:] == log[-10:]
    assert any(line.startswith('progress\t{"done":15,"total":15') for line in shown)
    assert [(entry["attempt"], entry["text"]) for entry in entries] == [
        *((1, "line\t13"), (1, "line\t14"))
    ]


def test_the_log_of_a_job_that_is_not_there_is_exit_code_1(app: App) -> None:
    result = app.run("job", "logs", "APP", "nobody")

    assert result.exit_code == 1
    assert "there is no record of job nobody" in result.stderr


@pytest.mark.parametrize("command", ["job", "dead"])
def test_a_job_that_is_not_there_is_exit_code_1(filled: App, command: str) -> None:
    result = filled.run(command, "show", "APP", "nobody")

    assert result.exit_code == 1
    assert "there is no record of job nobody" in result.stderr


def test_dead_show_refuses_a_job_that_is_not_dead(filled: App) -> None:
    result = filled.run("dead", "show", "APP", "add-0")

    assert result.exit_code == 1
    assert "job add-0 is completed, not dead" in result.stderr
    assert "ValueError" in filled.run("dead", "show", "APP", "dead-1").stdout


def test_dead_letters_are_listed_by_task_and_error(filled: App) -> None:
    by_error = lines(filled.run("dead", "ls", "APP", "--error", "LookupError", "--json"))
    by_task = lines(filled.run("dead", "ls", "APP", "--task", "fail", "--json"))
    none = filled.run("dead", "ls", "APP", "--error", "KeyError")

    assert [row["id"] for row in by_error] == ["dead-2"]
    assert [row["id"] for row in by_task] == ["dead-1"]
    assert (none.exit_code, none.stdout) == (0, "")


def counts(app: App) -> Counts:
    return app.do(lambda queue: queue.counts())


def test_replaying_by_id_queues_these_dead_letters(filled: App) -> None:
    result = filled.run("dead", "replay", "APP", "dead-1", "dead-2")

    assert (result.exit_code, result.stdout) == (0, "2 replayed\n")
    assert (counts(filled).dead, counts(filled).queued) == (0, 3)


def test_replaying_what_is_not_dead_changes_nothing(filled: App) -> None:
    result = filled.run("dead", "replay", "APP", "dead-1", "add-0", "nobody")

    assert result.exit_code == 1
    assert "add-0 is completed; nobody is not there" in result.stderr
    assert counts(filled).dead == 2


def test_replaying_all_shows_the_count_and_asks(filled: App) -> None:
    refused = filled.run("dead", "replay", "APP", "--all", text="n\n")
    left = counts(filled).dead
    agreed = filled.run("dead", "replay", "APP", "--all", text="y\n")

    assert "Replay 2 dead letters" in refused.stderr
    assert refused.exit_code == 1
    assert left == 2
    assert agreed.stdout.endswith("2 replayed\n")
    assert counts(filled).dead == 0


def test_replaying_some_without_asking(filled: App) -> None:
    result = filled.run("dead", "replay", "APP", "--all", "--error", "LookupError", "--yes")

    assert (result.exit_code, result.stdout) == (0, "1 replayed\n")
    assert counts(filled).dead == 1
    again = filled.run("dead", "replay", "APP", "--all", "--error", "LookupError")
    assert (again.exit_code, again.stdout) == (0, "0 replayed\n")


def test_replaying_those_that_died_before(filled: App) -> None:
    select = ("dead", "replay", "APP", "--all", "--before")
    nothing = filled.run(*select, "2026-01-01T00:00Z")
    refused = filled.run(*select, "2100-01-01T00:00Z", text="n\n")
    left = counts(filled).dead
    agreed = filled.run(*select, "2100-01-01T00:00+01:00", "--yes")

    assert (nothing.exit_code, nothing.stdout) == (0, "0 replayed\n")
    assert "Replay 2 dead letters" in refused.stderr
    assert left == 2
    assert (agreed.exit_code, agreed.stdout) == (0, "2 replayed\n")


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["--all", "--before", "noon"], "--before takes a time such as"),
        (["--all", "--before", "2026-01-01T00:00"], "--before needs an offset, as in 2026-01-01T"),
        (["dead-1", "--before", "2026-01-01T00:00Z"], "--before goes with --all"),
    ],
)
def test_a_moment_that_says_nothing_is_refused(filled: App, args: list[str], why: str) -> None:
    result = filled.run("dead", "replay", "APP", *args)

    assert result.exit_code == 2
    assert why in result.stderr
    assert counts(filled).dead == 2


def test_dead_letters_are_read_once_to_be_counted(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bury(queue: Queue) -> None:
        await queue.enqueue_many([queue.bind("stumble") for _ in range(40)])

    app.do(bury)
    app.work()
    monkeypatch.setattr(inspector, "PAGE", 10)
    read: list[str] = []
    infos = Inspector.infos

    async def counted(self: Inspector, ids: Sequence[str]) -> list[JobInfo]:
        read.extend(ids)
        return await infos(self, ids)

    monkeypatch.setattr(Inspector, "infos", counted)
    select = ("dead", "replay", "APP", "--all", "--task", "stumble")
    refused = app.run(*select, text="n\n")

    assert "Replay 40 dead letters" in refused.stderr
    assert len(read) == 40
    # Who does not ask has nothing to count.
    assert app.run(*select, "--yes").stdout == "40 replayed\n"
    assert len(read) == 80


def test_a_job_that_runs_again_with_another_one_of_those_named_is_counted(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bury(queue: Queue) -> list[str]:
        first = await queue.enqueue("stumble")
        return [first.id, (await queue.enqueue("stumble", depends_on=[first])).id]

    named = app.do(bury)
    app.work()
    assert counts(app).dead == 2
    monkeypatch.setattr(dead, "_BATCH", 1)

    assert app.run("dead", "replay", "APP", *named).stdout == "2 replayed\n"
    assert counts(app).dead == 0


@pytest.mark.parametrize("args", [[], ["dead-1", "--all"], ["dead-1", "--task", "fail"]])
def test_replay_needs_ids_or_all(filled: App, args: list[str]) -> None:
    assert filled.run("dead", "replay", "APP", *args).exit_code == 2
    assert counts(filled).dead == 2


def test_stats_are_the_counts_of_each_queue(filled: App) -> None:
    (record,) = lines(filled.run("stats", "APP", "--json"))
    plain = filled.run("stats", "APP").stdout.splitlines()
    both = lines(filled.run("stats", f"{filled.module}:both", "--json"))
    one = lines(filled.run("stats", f"{filled.module}:both", "-q", filled.name, "--json"))

    assert {name: record[name] for name in ("queued", "scheduled", "completed", "dead")} == {
        "queued": 1,
        "scheduled": 1,
        "completed": 3,
        "dead": 2,
    }
    assert "completed\t3" in plain
    assert [row["queue"] for row in both] == [filled.name, f"{filled.name}-b"]
    assert [row["queue"] for row in one] == [filled.name]


@pytest.mark.requirement("S10")
def test_no_command_shows_a_secret_header(app: App) -> None:
    headers = {"Authorization": "Bearer hunter2", "x-api-key": "hunter2", "tenant": "acme"}
    hidden = {"Authorization": "[hidden]", "x-api-key": "[hidden]", "tenant": "acme"}
    job = app.do(lambda queue: queue.tasks["fail"].options(headers=headers).enqueue("boom"))
    listed = [app.run("job", "ls", "APP", "--json"), app.run("job", "show", "APP", job.id)]
    app.work()
    listed += [
        app.run(*words)
        for shown in (("job", "show", "APP", job.id), ("dead", "show", "APP", job.id))
        for words in (shown, (*shown, "--json"))
    ]
    listed += [app.run(*words, "--json") for words in (("job", "ls", "APP"), ("dead", "ls", "APP"))]

    for result in listed:
        assert result.exit_code == 0, result.output
        assert "hunter2" not in result.output
        assert "acme" in result.output
    assert json.loads(listed[-1].stdout)["headers"] == hidden
