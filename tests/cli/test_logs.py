"""How a worker logs: a line of JSON a record, or a line for people, whatever is in it."""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any

import pytest

from aiojobs_redis.cli.logs import JsonFormatter, PrettyFormatter


def line(text: str, *args: object, exc: bool = False, **fields: Any) -> dict[str, Any]:
    """Format a record; what a reader makes of the line."""
    logger = logging.getLogger("a.b")
    raised = sys.exc_info() if exc else None
    record = logger.makeRecord("a.b", logging.INFO, "f", 1, text, args, raised, extra=fields)
    record.created = 1_700_000_000.25
    made = JsonFormatter().format(record)
    assert "\n" not in made
    read: dict[str, Any] = json.loads(made)
    return read


def test_a_line_has_time_level_logger_message_and_the_fields() -> None:
    told = line("job %s", "x", job_id="x", attempt=1)

    assert list(told)[:4] == ["time", "level", "logger", "message"]
    assert told == {
        "time": "2023-11-14T22:13:20.250000Z",
        "level": "info",
        "logger": "a.b",
        "message": "job x",
        "job_id": "x",
        "attempt": 1,
    }


def test_an_exception_and_a_stack_are_fields() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        told = line("failed", exc=True)
    assert told["exception"].endswith("ValueError: no")

    record = logging.makeLogRecord({"msg": "slow", "stack_info": "Stack:\n  a.py"})
    assert json.loads(JsonFormatter().format(record))["stack"] == "Stack:\n  a.py"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (object, "<class 'object'>"),
        ("file-\udcff", "file-\udcff"),
        ({(1, 2): "x"}, None),
        (float("nan"), None),
    ],
    ids=["an object", "a lone surrogate", "a key that is no text", "no number"],
)
def test_no_value_loses_the_record(value: object, shown: str | None) -> None:
    told = line("about %s", "x", value=value)

    assert (told["message"], told["level"]) == ("about x", "info")
    assert shown is None or told["value"] == shown


def test_a_value_that_holds_itself_is_named_and_loses_nothing_else() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop

    told = line("about", value=loop, job_id="x")

    assert (told["message"], told["job_id"]) == ("about", "x")
    assert told["value"] == "{'self': {...}}"


def test_fields_do_not_take_the_place_of_what_every_line_has() -> None:
    told = line("text", level="mine", time="never")

    assert (told["level"], told["time"]) == ("info", "2023-11-14T22:13:20.250000Z")


def test_json_holds_no_control_characters() -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": ("\x1b[2J\x9b2J\x7f\n",)})

    made = JsonFormatter().format(record)

    assert made.isprintable()
    assert json.loads(made)["message"] == "\x1b[2J\x9b2J\x7f\n"


def pretty(text: str, *args: object, exc: bool = False) -> list[str]:
    """Format a record for people; its lines, the first of which begins with the time."""
    record = logging.makeLogRecord({"msg": text, "args": args, "levelname": "WARNING"})
    record.exc_info = sys.exc_info() if exc else None
    made = PrettyFormatter().format(record)
    assert made.replace("\n", "").replace("\t", "").isprintable()
    found = re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (WARNING .*)", made, re.DOTALL)
    assert found is not None, made
    return found[1].split("\n")


FORGED = "x\n2026-11-27 00:00:00,000 CRITICAL worker: \x1b[2J\x9b2J"


def test_no_id_makes_a_line_of_its_own_or_moves_the_cursor() -> None:
    assert pretty("job %s: failed", FORGED) == [
        r"WARNING job x\n2026-11-27 00:00:00,000 CRITICAL worker: \x1b[2J\x9b2J: failed"
    ]


def test_lines_that_are_meant_stay_lines_and_are_set_in() -> None:
    assert pretty("job %s:\n%s", "x", 'File "a.py"\n\tgo()\x1b') == [
        "WARNING job x:",
        '    File "a.py"',
        "    \tgo()\\x1b",
    ]


def test_a_traceback_keeps_its_lines_and_forges_none() -> None:
    try:
        raise ValueError(FORGED)
    except ValueError:
        lines = pretty("job %s failed", "x", exc=True)

    assert lines[:2] == ["WARNING job x failed", "    Traceback (most recent call last):"]
    assert lines[-2:] == [
        "    ValueError: x",
        r"    2026-11-27 00:00:00,000 CRITICAL worker: \x1b[2J\x9b2J",
    ]
    assert len(lines) > 4


def test_a_record_that_was_formatted_for_another_process_keeps_its_lines() -> None:
    assert pretty("failed\nTraceback:\nValueError") == [
        "WARNING failed",
        "    Traceback:",
        "    ValueError",
    ]
