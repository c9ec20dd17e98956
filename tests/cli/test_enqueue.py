"""`enqueue`: words to arguments, options, the id and the result."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
import pytest

from aiojobs_redis import JobInfo
from aiojobs_redis.cli.enqueue import read_arguments
from tests.cli.conftest import App
from tests.support.servers import ServerProcess


@pytest.mark.parametrize(
    ("words", "args", "kwargs"),
    [
        (["2", "2.5", "true", "null"], [2, 2.5, True, None], {}),
        (["word", '"7"', "", "1.2.3"], ["word", "7", "", "1.2.3"], {}),
        (['{"a": [1]}', "[1, 2]"], [{"a": [1]}, [1, 2]], {}),
        (["to=ada@example.org", "n=3", "e="], [], {"to": "ada@example.org", "n": 3, "e": ""}),
        (["http://x/?a=b", "a-b=c"], ["http://x/?a=b", "a-b=c"], {}),
    ],
)
def test_words_are_json_or_texts(words: list[str], args: list[Any], kwargs: dict[str, Any]) -> None:
    assert read_arguments(tuple(words)) == (args, kwargs)


def test_a_keyword_given_twice_is_refused() -> None:
    with pytest.raises(click.UsageError, match="n is given twice"):
        read_arguments(("n=1", "n=2"))


def test_the_id_is_printed_and_the_job_is_there(app: App) -> None:
    result = app.run("enqueue", "APP", "add", "2", "b=3", "--priority", "7", "--delay", "60")

    assert result.exit_code == 0, result.output
    info = app.do(lambda queue: queue.job(result.stdout.strip()).info())
    assert isinstance(info, JobInfo)
    assert (info.task, info.args, info.kwargs, info.priority) == ("add", [2], {"b": 3}, 7)
    assert info.state == "scheduled"


def test_a_job_may_go_first(app: App) -> None:
    ids = [app.run("enqueue", "APP", "add", "2", *more).stdout for more in ([], ["--lifo"])]
    found = app.do(lambda queue: queue.jobs("queued"))
    assert isinstance(found, list)
    assert [job.id for job in found] == [id.strip() for id in reversed(ids)]

    both = app.run("enqueue", "APP", "add", "2", "--lifo", "--key", "k")
    assert both.exit_code == 2
    assert "lifo and key exclude each other" in both.stderr


def test_a_job_may_go_before_the_others_of_its_key(app: App) -> None:
    ids = [
        app.run("enqueue", "APP", "add", "2", "--key", "k", *more).stdout
        for more in ([], ["--key-priority", "5"])
    ]
    leases = app.do(lambda queue: queue.claim(1))
    assert isinstance(leases, list)
    assert [lease.job.id for lease in leases] == [ids[1].strip()]

    alone = app.run("enqueue", "APP", "add", "2", "--key-priority", "5")
    assert alone.exit_code == 2
    assert "give it key=" in alone.stderr


def test_arguments_are_read_as_the_task_declares_them(app: App) -> None:
    assert app.run("enqueue", "APP", "year", "2026-05-01T10:00:00Z").exit_code == 0


def test_a_taken_id_adds_no_job_and_says_so(app: App) -> None:
    first = app.run("enqueue", "APP", "add", "2", "--id", "mine")
    again = app.run("enqueue", "APP", "add", "2", "--id", "mine")

    assert first.stdout == again.stdout == "mine\n"
    assert again.exit_code == 0
    assert "there is a job mine already" in again.stderr


def test_no_control_character_of_an_id_is_printed(app: App) -> None:
    odd, shown = "a\nb\x1b[2J\x9b", r"a\nb\x1b[2J\x9b"
    first = app.run("enqueue", "APP", "add", "2", "--id", odd)
    again = app.run("enqueue", "APP", "add", "2", "--id", odd)
    record = app.run("enqueue", "APP", "add", "2", "--id", odd, "--json").stdout

    assert first.stdout == again.stdout == f"{shown}\n"
    assert again.stderr == f"there is a job {shown} already; none was added\n"
    assert record.rstrip("\n").isprintable()
    assert json.loads(record)["id"] == odd


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["ad", "2"], "Did you mean 'add'?"),
        (["add", "x"], "add() expects a: int, got 'x'"),
        (["add"], "a"),
        (["fail", "5"], "expects text: str, got 5 (int). Nothing was written. An argument is read"),
        (["fail", "5"], "as JSON: write '\"5\"' for the text 5."),
        (["fail", "text={it's: 1}"], None),
        (["fail", 'text=["it\'s"]'], """write '"[\\"it'"'"'s\\"]"' for the text ["it's"]."""),
        (["add", "1", "b=2.5"], "add() expects b: int, got 2.5 (float). Nothing was written.\n"),
        (["fail", "5", "6"], "takes at most 1 positional arguments (text), got 2.\n"),
        (["add", "1", "--priority", "1024"], "no whole number from -1,024 to 1,023"),
        (["add", "1", "--delay", "1", "--at", "2030-01-01T00:00Z"], "exclude each other"),
        (["add", "1", "--at", "tomorrow"], "--at takes a time such as"),
        (["add", "1", "--at", "2030-01-01T00:00"], "--at needs an offset"),
        (["add", "1", "--timeout", "3"], "--timeout goes with --wait"),
        (["add", "1", "--wait", "--timeout", "1e12"], "--timeout must be from 0 s to"),
        (["add", "1", "--wait", "--timeout", "nan"], "no number of seconds from 0 on"),
        (["add", "1", "--wait", "--timeout", "inf"], "no number of seconds from 0 on"),
        (["add", "--", "-2"], None),
    ],
)
def test_what_cannot_be_enqueued_is_refused_before_anything_is_written(
    app: App, args: list[str], said: str | None
) -> None:
    result = app.run("enqueue", "APP", *args)

    assert result.exit_code == (0 if said is None else 2)
    assert (said or "") in result.stderr
    counts = app.do(lambda queue: queue.counts())
    assert counts.unfinished == (1 if said is None else 0)


def test_wait_prints_the_result_and_fails_with_the_job(app: App) -> None:
    with app.worker():
        plain = app.run("enqueue", "APP", "add", "2", "--wait", "--id", "mine")
        as_json = app.run("enqueue", "APP", "add", "2", "b=3", "--wait", "--json")
        failed = app.run("enqueue", "APP", "fail", "no \x1b[31m", "--wait")

    assert plain.stdout == "mine\n3\n"
    assert json.loads(as_json.stdout) | {"id": ""} == {"id": "", "created": True, "result": 5}
    assert failed.exit_code == 1
    assert "is dead: ValueError: no \\x1b[31m" in failed.stderr


def test_json_has_the_id_and_the_error_of_a_job_that_failed(app: App) -> None:
    with app.worker():
        failed = app.run("enqueue", "APP", "fail", "no", "--wait", "--json", "--id", "mine")
    late = app.run("enqueue", "APP", "add", "2", "--wait", "--timeout", "0", "--json")

    assert (failed.exit_code, late.exit_code) == (1, 5)
    record = json.loads(failed.stdout)
    assert "is dead: ValueError: no" in record.pop("error")
    assert record == {"id": "mine", "created": True}
    assert "has not finished within 0 s" in json.loads(late.stdout)["error"]


SAFE = """
from aiojobs_redis import Queue, Replicated

queue = Queue({name!r}, {url!r}, namespace="test", durability=Replicated(1, timeout=0.05))

@queue.task
async def add(a: int) -> int:
    return a
"""


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_id_of_a_job_that_was_not_confirmed_is_printed(
    app: App, valkey_server: ServerProcess, options: list[str]
) -> None:
    safe = f"safe_{app.name}"
    (app.folder / f"{safe}.py").write_text(SAFE.format(name=app.name, url=valkey_server.url))
    result = app.run("enqueue", f"{safe}:queue", "add", "2", *options)

    assert result.exit_code == 1
    assert "0 of 1 replicas confirmed" in result.stderr
    id = json.loads(result.stdout)["id"] if options else result.stdout.strip()
    assert isinstance(app.do(lambda queue: queue.job(id).info()), JobInfo)
    again = app.run("enqueue", f"{safe}:queue", "add", "2", "--id", id)
    assert (again.exit_code, again.stdout.strip()) == (1, id)
    assert app.do(lambda queue: queue.counts()).queued == 1
    sys.modules.pop(safe)


def test_a_wait_that_is_too_long_ends_with_the_next_step(app: App) -> None:
    result = app.run("enqueue", "APP", "add", "2", "--wait", "--timeout", "0.05")

    assert result.exit_code == 5
    assert "has not finished within 0.05 s" in result.stderr
    assert "job watch" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-1"], "put -- before the arguments, as in 'aiojobs-redis enqueue APP TASK -- -1'"),
        (["1", "--at", "2026-12-24"], "--at needs an offset, as in 2026-12-24T00:00+01:00"),
        (["1", "--at", "2026-12-24T18:30"], "as in 2026-12-24T18:30+01:00 or 2026-12-24T18:30Z"),
        (["1", "--delay", "soon"], "'soon' is no number of seconds from 0 on"),
        (["1", "--delay", "nan"], "'nan' is no number of seconds from 0 on"),
        (["1", "--priority", "high"], "'high' is no whole number from -1,024 to 1,023"),
        (["1", "--xyzzy"], "No such option '--xyzzy'"),
    ],
)
def test_a_wrong_option_is_told_what_it_may_be(app: App, words: list[str], said: str) -> None:
    result = app.run("enqueue", "APP", "add", *words)

    assert result.exit_code == 2
    assert said in result.stderr
    assert app.do(lambda queue: queue.counts()).queued == 0
