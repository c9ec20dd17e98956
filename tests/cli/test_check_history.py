"""`check-history`: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aiojobs_redis.cli.main import cli
from tests.support.histories import Book


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a history of two files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good").mkdir()
    Book().enqueue("a").enqueue("b").save(tmp_path / "good" / "producer.jsonl")
    Book().wait(100).run("a", 1).run("b", 2).drained().save(tmp_path / "good" / "worker.jsonl")
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(cli, ["check-history", *args])


def test_a_clean_history_is_exit_code_0(folder: Path) -> None:
    for args in (["good"], ["good/worker.jsonl", "good/producer.jsonl"]):
        result = run(*args)
        assert result.exit_code == 0, result.output
        assert {"files\t2", "jobs\t2", "completed\t2", "lost\t0"} <= set(result.stdout.splitlines())
        assert result.stderr == "no violation\n"


def test_a_violation_is_exit_code_1_and_names_rule_job_and_lines(folder: Path) -> None:
    Book().enqueue("esc\x1b").run("esc\x1b", 1).claim("esc\x1b", 2).save(folder / "bad.jsonl")

    result = run("bad.jsonl")

    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("revived ")]
    assert line == (
        r"revived job esc\x1b of queue q: complete under fence 1 was accepted, and fence 2 was "
        "granted all the same (bad.jsonl:7, bad.jsonl:8, bad.jsonl:9)"
    )
    assert "1 violations" in result.stderr
    assert "not judged: queue q: whether unfinished jobs are lost" in result.stderr


def test_a_file_that_is_named_twice_is_read_once(folder: Path) -> None:
    (folder / "link.jsonl").symlink_to(folder / "good" / "worker.jsonl")

    result = run("good", "good/worker.jsonl", str(folder / "good"), "link.jsonl")

    assert result.exit_code == 0, result.output
    assert {"files\t2", "executions\t2"} <= set(result.stdout.splitlines())


@pytest.mark.parametrize("lines", [Book().text(), b""])
def test_a_history_without_a_job_is_no_clean_one(folder: Path, lines: bytes) -> None:
    (folder / "empty.jsonl").write_bytes(lines)
    for option in ([], ["--json"]):
        result = run("empty.jsonl", *option)

        assert result.exit_code == 2
        assert "nothing was judged: no line of this history is about a job" in result.stderr
        assert "no violation" not in result.stderr
    assert json.loads(result.stdout)["not_judged"] == ["anything; no line is about a job"]


def test_json_is_one_object_with_everything(folder: Path) -> None:
    Book().enqueue("a").save(folder / "bad.jsonl")

    result = run("bad.jsonl", "--drained", "--json")

    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (report["enqueued"], report["lost"], report["files"]) == (1, 1, 1)
    (violation,) = report["violations"]
    assert (violation["rule"], violation["job"], violation["queue"]) == ("lost", "a", "q")
    assert violation["lines"][:2] == ["bad.jsonl:2", "bad.jsonl:3"]


def test_many_violations_of_a_rule_are_cut(folder: Path) -> None:
    book = Book()
    for number in range(9):
        book.enqueue(f"job-{number}")
    book.save(folder / "bad.jsonl")

    result = run("bad.jsonl", "--drained", "--limit", "2")

    assert result.stdout.count("lost job job-") == 2
    assert "lost: 7 more" in result.stderr
    assert "9 violations" in result.stderr


def test_a_torn_last_line_is_told(folder: Path) -> None:
    path = folder / "torn.jsonl"
    path.write_bytes(Book().enqueue("a").text() + b'{"ns":99,"op":"cla')

    result = run("torn.jsonl")

    assert result.exit_code == 0
    assert "torn.jsonl: the last line is torn and does not count" in result.stderr


@pytest.mark.parametrize("args", [["nowhere.jsonl"], ["README"], []])
def test_what_is_no_history_is_exit_code_2(folder: Path, args: list[str]) -> None:
    (folder / "README").write_text("Hello\n")

    result = run(*args)

    assert result.exit_code == 2
    assert ["there is no history in", "README:1 is no event", "Missing argument"][
        [["nowhere.jsonl"], ["README"], []].index(args)
    ] in result.stderr
