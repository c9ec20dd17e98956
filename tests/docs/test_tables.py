"""The tables that say they are whole name all that the code has."""

from __future__ import annotations

import inspect
import re

import pytest

from aiojobs_redis import Job, JobContext, Lease, Queue
from aiojobs_redis.options import option_names
from tests.docs.pages import DOCS


def _rows(page: str, head: str) -> dict[str, str]:
    """Return the rows of the table of a page that begins so, by the code in their first cell."""
    text = (DOCS / page).read_text(encoding="utf-8")
    table = text.partition(head)[2].partition("\n\n")[0]
    return {
        name: line
        for line in table.splitlines()
        for name in re.findall(r"`(\w+)`", line.split(" | ")[0])
    }


def test_the_table_of_options_has_every_option() -> None:
    assert set(_rows("tasks.md", "| option | meaning |")) == option_names()


def test_the_table_of_a_queue_has_every_argument() -> None:
    parameters = set(inspect.signature(Queue).parameters)

    assert set(_rows("tasks.md", "| argument | meaning | default |\n")) == parameters


@pytest.mark.parametrize("error", ["ArgumentsInvalid", "JobNotFound", "JobStateError"])
def test_the_table_of_errors_names_every_method_that_raises_one(error: str) -> None:
    row = _rows("errors.md", "| error | raised by |")[error].split(" | ")[1]
    named = set(re.findall(r"(\w+)[`(]", row))
    raising = {
        name
        for kind in (Job, JobContext, Lease, Queue)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if re.search(rf"^    {error}: ", inspect.getdoc(member) or "", re.M)
    }

    assert raising
    assert raising <= named
