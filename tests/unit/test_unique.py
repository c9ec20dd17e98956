"""What jobs of a task are the same, and how that is written into a header."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, JobOptions, Unique
from aiojobs_redis.codec import encode_untyped
from aiojobs_redis.unique import check_unique, unique_option


def option(unique: Unique, *args: Any, task: str = "send", **named: Any) -> str:
    return unique_option(unique, task, encode_untyped(args, named), ["to", "subject"])


def test_true_is_the_task_and_its_arguments() -> None:
    first = option(Unique(), "ada", subject="x")

    assert first.startswith(",udk:send=")
    assert first == option(Unique(), "ada", subject="x")
    assert len({first, option(Unique(), "bob", subject="x"), option(Unique(), "ada")}) == 3
    assert (
        first.partition("=")[2] == option(Unique(), "ada", subject="x", task="b").partition("=")[2]
    )


def test_arguments_are_the_same_however_they_are_written() -> None:
    wanted = option(Unique(), "ada", "x", {"a": 1, "b": 2}, cc=[1], bcc=None)

    assert wanted == option(Unique(), "ada", "x", {"b": 2, "a": 1}, bcc=None, cc=[1])
    assert option(Unique(), "ada", "x", z=1) == option(Unique(), to="ada", subject="x", z=1)
    assert option(Unique(), "ada", subject="x") == option(Unique(), subject="x", to="ada")
    assert option(Unique(), subject="x") != option(Unique(), "x")


def test_keys_of_a_dict_that_have_no_order_count_as_they_stand() -> None:
    assert option(Unique(), {1: "a", "b": 2}) == option(Unique(), {1: "a", "b": 2})


def test_a_key_may_hold_what_separates_options() -> None:
    odd = option(Unique("a,b\n100%=/"))

    assert odd == ",udk:send/a%2Cb%0A100%25=/"
    assert option(Unique("x"), task="a:b") != option(Unique("b/x"), task="a")


@pytest.mark.parametrize(
    ("unique", "form"),
    [
        (Unique("k"), "dk"),
        (Unique("k", until="started"), "sk"),
        (Unique("k", window=60), "-k60000"),
        (Unique("k", window=timedelta(seconds=1.5), extend=True), "-k1500+"),
        (Unique("k", until="done", window=0.0011), "dk2"),
    ],
)
def test_how_long_a_key_is_taken_stands_before_it(unique: Unique, form: str) -> None:
    assert unique.form == form


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"key": ""}, "1 to 256 bytes in UTF-8, got 0"),
        ({"key": "é" * 129}, "got 258 bytes"),
        ({"key": 7}, "must be a str, got 7"),
        ({"key": "\ud800"}, "valid Unicode"),
        ({"until": "finished"}, "until of Unique must be one of done, started, got 'finished'"),
        ({"until": ["done"]}, "until of Unique"),
        ({"window": 0}, "window of Unique must be from 0.001 s"),
        ({"window": "60"}, "must be seconds or a timedelta"),
        ({"on_conflict": "raise"}, "on_conflict of Unique must be one of"),
        ({"on_conflict": None}, "on_conflict of Unique must be one of"),
        ({"extend": True}, "needs a window"),
        ({"extend": 1, "window": 1}, "True or False"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigInvalid, match=named):
        Unique(**wrong)


def test_the_option_is_a_bool_a_text_or_a_unique() -> None:
    assert check_unique("k") == Unique("k")
    assert check_unique(True) == Unique()
    assert check_unique(False) is None
    lower = JobOptions(unique=True)
    assert JobOptions(unique=False).over(lower).values["unique"] is None
    for wrong in (1, b"k", ["k"], None):
        with pytest.raises(ConfigInvalid, match="unique must be True, a str or a Unique, got"):
            check_unique(wrong)
