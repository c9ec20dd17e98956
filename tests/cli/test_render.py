"""What is printed: plain lines for pipes, tables for terminals, JSON for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from aiojobs_redis.cli import render

ROWS: list[dict[str, Any]] = [
    {"id": "a", "at": datetime(2026, 1, 2, tzinfo=UTC), "note": "x\ty\x1b[31m"},
    {"id": "bb"},
]


def show(**options: Any) -> None:
    render.show_rows(ROWS, ["id", "note"], **{"as_json": False, "empty": "None.", **options})


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int = 80) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")


def test_a_pipe_gets_tabs_and_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    show()

    assert capsys.readouterr().out == "a\tx\\ty\\x1b[31m\nbb\t-\n"


def test_json_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    show(as_json=True)

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"id": "a", "at": "2026-01-02T00:00:00Z", "note": "x\ty\x1b[31m"}
    assert second == {"id": "bb"}


def test_a_terminal_gets_padded_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    show()

    assert capsys.readouterr().out == "id  note\na   x\\ty\\x1b[31m\nbb  -\n"


def test_nothing_to_show_is_said_to_people_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    render.show_rows([], ["id"], as_json=False, empty="None.")
    piped = capsys.readouterr()
    on_a_terminal(monkeypatch)
    render.show_rows([], ["id"], as_json=False, empty="None.")
    shown = capsys.readouterr()

    assert (piped.out, piped.err) == ("", "")
    assert (shown.out, shown.err) == ("", "None.\n")


def test_a_record_is_a_field_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    render.show_fields({"id": "a", "paused": False, "seconds": 1.5}, as_json=False)

    assert capsys.readouterr().out == "id\ta\npaused\tno\nseconds\t1.5\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ((), "-"),
        ([], "[]"),
        (True, "yes"),
        (0.1 + 0.2, "0.3"),
        (2.0, "2"),
        ({"a": [1, "ü"]}, '{"a":[1,"ü"]}'),
        ("line\nline", "line\\nline"),
    ],
)
def test_a_value_is_one_line_of_text(value: Any, text: str) -> None:
    assert render.text_of(value) == text


def test_what_json_cannot_hold_is_shown_as_python_does() -> None:
    looped: list[Any] = []
    looped.append(looped)

    assert json.loads(render.json_text({"id": "a", "args": looped})) == {
        "id": "a",
        "args": "[[...]]",
    }
    assert json.loads(render.json_text(object)) == "<class 'object'>"


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = render.styled("a", fg="red")
    monkeypatch.setenv("NO_COLOR", "1")

    assert coloured != "a"
    assert render.styled("a", fg="red") == "a"
