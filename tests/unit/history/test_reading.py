"""Reading a history: what is no history is refused with its place, and totals add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiojobs_redis import ConfigInvalid, check_history
from aiojobs_redis.history.events import FORMAT, Event, decode_event, encode_event
from tests.support.histories import Book


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def test_an_event_is_the_same_after_a_round_trip() -> None:
    for event in Book().enqueue("ä\n", priority=-5).run("ä\n", 7, lost=1, failures=2).events:
        assert decode_event(encode_event(event)) == event


def test_what_is_not_said_takes_no_bytes() -> None:
    event = Event(5, "start", job="a", token="1,ab")

    assert encode_event(event) == b'{"ns":5,"op":"start","job":"a","token":"1,ab"}'


def test_fields_of_a_later_format_are_passed_over(path: Path) -> None:
    path.write_bytes(b'{"ns":5,"op":"enqueue","phase":"invoke","job":"a","colour":"red"}\n')

    assert check_history(path).unknown == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{}", "missing required field `ns`"),
        (b'{"ns":1,"op":"dance"}', "Invalid enum value 'dance'"),
        (b'{"ns":1,"op":"open","phase":"maybe"}', "Invalid enum value 'maybe'"),
        (b'{"ns":1,"op":"sta{"ns":2,"op":"start"}', "malformed|Invalid"),
        (b"\xff", "malformed|utf-8"),
        (b"", "truncated"),
    ],
)
def test_a_line_that_is_no_event_is_named(path: Path, line: bytes, why: str) -> None:
    text = Book().enqueue("a").text()
    path.write_bytes(text + line + b"\n" + text)

    with pytest.raises(ConfigInvalid, match=f"history.jsonl:4 is no event of a history: .*({why})"):
        check_history(path)


def test_a_newer_format_is_refused(path: Path) -> None:
    path.write_bytes(encode_event(Event(1, "open", format=FORMAT + 1)) + b"\n")

    with pytest.raises(ConfigInvalid, match=r"jsonl:1 has format 2, this version reads up to 1"):
        check_history(path)


def test_clocks_of_two_machines_are_not_compared(tmp_path: Path) -> None:
    here, there = Book().enqueue("a"), Book().enqueue("b")
    there.events[0].boot = "another"
    here.save(tmp_path / "1.jsonl")
    there.save(tmp_path / "2.jsonl")

    with pytest.raises(ConfigInvalid, match=r"2.jsonl:1 was recorded on another machine"):
        check_history(tmp_path)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_place_without_a_history_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigInvalid, match="there is no history in"):
        check_history(tmp_path / name)


def test_what_cannot_be_read_is_refused(path: Path) -> None:
    (path / "folder.jsonl").mkdir(parents=True)

    with pytest.raises(ConfigInvalid, match="cannot be read"):
        check_history(path)


def test_the_totals_are_those_of_jepsen(path: Path) -> None:
    book = Book()
    book.enqueue("done").run("done", 1).enqueue("again").claim("again", 2).start("again", 2)
    book.finish("retry", "again", 2).run("again", 3, failures=1)
    book.enqueue("recovered", None).run("recovered", 4).enqueue("unknown", None)
    book.enqueue("refused", "fail").enqueue("waiting")

    report = check_history(book.save(path))

    expected = {
        "events": len(book.events),
        "files": 1,
        "jobs": 6,
        "enqueued": 3,
        "unknown": 2,
        "refused": 1,
        "completed": 3,
        "executions": 4,
        "lost": 0,
        "corrupt": 0,
        "unexpected": 0,
        "duplicated": 1,
        "recovered": 1,
        "unfinished": 1,
        "undone": 0,
    }
    assert dict(report.totals()) == expected
    assert report.causes == {"failed_retry": 1}
    assert [line.partition(": ")[2].partition(";")[0] for line in report.not_judged] == [
        "whether unfinished jobs are lost"
    ]
    assert check_history(path, drained=True).lost == 1


def test_without_producers_nothing_is_unexpected(path: Path) -> None:
    report = check_history(Book().run("a", 1).save(path), drained=True)

    assert report.ok
    assert "no producer was recorded" in report.not_judged[0]
