"""Any error can be told, in a text and a time that do not grow with what hangs on to it."""

from __future__ import annotations

import io
import itertools
import logging
from types import TracebackType
from typing import Any, NoReturn

import pytest

from aiojobs_redis.printing import log_error, printed


class Unprintable(Exception):
    """Raises whatever Python asks it for."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":
            raise KeyboardInterrupt
        return super().__getattribute__(name)


class Speechless(Unprintable):
    def __str__(self) -> NoReturn:
        raise SystemExit


class Loader:
    """Loads a module whose source is not to be had, in a way nobody expects."""

    def get_source(self, name: str) -> NoReturn:
        raise ZeroDivisionError


OFFSET: Any = ("page.html", 3, "7", "<% if")
TEXT: Any = ("page.html", 3, 7, b"<% if")


def raised(error: BaseException, *, deep: int = 0) -> BaseException:
    try:
        if deep:
            raise_deep(error, deep)
        raise error
    except BaseException as caught:
        return caught


def raise_deep(error: BaseException, level: int) -> NoReturn:
    if level:
        raise_deep(error, level - 1)
    raise error


def frames(text: str) -> int:
    # What Python counts instead of showing it again is left out here as there.
    return text.count('  File "')


def test_an_error_is_told_as_python_prints_it() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as first:
            raise ValueError("then") from first
    except ValueError as error:
        text = printed(error, error.__traceback__)

    assert "direct cause" in text
    assert text.index("KeyError: 'first'") < text.index("ValueError: then")
    assert frames(text) == 2


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (Unprintable("the end"), "Unprintable: the end\n"),
        (Speechless(), "Speechless: <no message: SystemExit in __str__>\n"),
        (SyntaxError("bad", OFFSET), "SyntaxError: bad"),
        (SyntaxError("bad", TEXT), "SyntaxError: bad"),
    ],
    ids=["notes", "message", "offset", "text"],
)
def test_one_that_python_cannot_print_is_told_with_its_frames(
    error: BaseException, end: str
) -> None:
    caught = raised(error)

    text = printed(caught, caught.__traceback__)

    assert text.startswith("Traceback (most recent call last):\n")
    assert ", in raised\n" in text
    assert end in text


def test_one_whose_cause_python_cannot_print_is_told_without_it() -> None:
    error = ValueError("what is left")
    error.__cause__ = raised(Unprintable())

    assert printed(raised(error), error.__traceback__).endswith("ValueError: what is left\n")


def test_one_without_a_traceback_is_told() -> None:
    assert printed(Unprintable("never raised"), None) == "Unprintable: never raised\n"


def test_one_from_code_whose_source_fails_is_told() -> None:
    # The lines of such a file are asked of its loader.
    code = compile("def fail(): raise ValueError('odd')", "<no such file>", "exec")
    space: dict[str, Any] = {"__name__": "odd", "__loader__": Loader()}
    exec(code, space)
    with pytest.raises(ValueError, match="odd") as caught:
        space["fail"]()

    assert printed(caught.value, caught.tb).endswith("ValueError: odd\n")


def test_of_a_deep_stack_the_ends_are_told() -> None:
    error = raised(ValueError("deep"), deep=900)
    trace = error.__traceback__
    assert trace is not None

    text = printed(error, trace)

    assert ", in raised\n" in text
    assert text.endswith("    raise error\nValueError: deep\n")
    assert ", in raise_deep\n" in text


def test_a_circle_of_causes_is_told_once() -> None:
    error, other = ValueError("one"), KeyError("other")
    error.__context__, other.__context__ = other, error

    assert printed(error, None).count("ValueError: one") == 1


def test_an_error_that_was_raised_many_times_is_told_as_briefly_as_another() -> None:
    shared: BaseException = ValueError("again")
    for _ in range(5_000):
        raised(shared)
    lines = {at.tb_lineno for at in walked(shared.__traceback__)}
    assert len(lines) == 1

    # Lines that are alike are counted; these stand in two functions by turns.
    for _ in range(1_000):
        raised(shared, deep=1)

    assert frames(printed(shared, shared.__traceback__)) <= 300


def test_of_many_errors_the_outermost_is_told() -> None:
    chain: BaseException = ValueError("0")
    for number in range(1, 1_000):
        following = ValueError(str(number))
        following.__cause__ = raised(chain)
        chain = following
    group = BaseExceptionGroup("many", [ValueError(str(n)) for n in range(1_000)])

    assert printed(raised(chain), chain.__traceback__).endswith("ValueError: 999\n")
    assert frames(printed(chain, chain.__traceback__)) == 1
    assert "many (1000 sub-exceptions)" in printed(group, None)
    assert len(printed(group, None).splitlines()) == 1


def test_of_a_group_python_shows_the_first_errors() -> None:
    group = BaseExceptionGroup("many", [raised(ValueError(str(n))) for n in range(300)])

    text = printed(group, None)

    assert "ValueError: 14\n" in text
    assert "and 285 more exceptions" in text


def test_errors_that_belong_together_share_the_frames() -> None:
    errors = [raised(ValueError(str(n)), deep=200) for n in range(1, 51)]
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause

    text = printed(errors[0], errors[0].__traceback__)

    assert all(f"ValueError: {n}\n" in text for n in range(1, 51))
    assert frames(text) <= 1_000


def walked(trace: TracebackType | None) -> list[TracebackType]:
    steps: list[TracebackType] = []
    while trace is not None:
        steps.append(trace)
        trace = trace.tb_next
    return steps


@pytest.mark.parametrize("error", [Unprintable("the end"), Speechless()])
def test_to_log_an_error_raises_nothing(error: BaseException) -> None:
    text = io.StringIO()
    logger = logging.Logger("of the application")
    logger.addHandler(logging.StreamHandler(text))

    # Where it cannot format a record, logging prints the error itself to stderr, which fails alike.
    log_error(logger, raised(error), "%s went wrong", "it")

    assert "it went wrong\nTraceback (most recent call last):\n" in text.getvalue()
    assert f"{type(error).__name__}: " in text.getvalue()


def test_an_error_is_lost_where_no_handler_takes_it() -> None:
    def refuse(record: logging.LogRecord) -> NoReturn:
        raise ZeroDivisionError

    logger = logging.Logger("of the application")
    logger.addFilter(refuse)

    log_error(logger, ValueError(), "told to nobody")
