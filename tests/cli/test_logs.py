"""`--log-format json`: a line of JSON a record, whatever is in it."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from aiojobs_redis.cli.logs import JsonFormatter


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
