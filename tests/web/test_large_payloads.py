"""Pages that look into many jobs hold the arguments of few of them."""

from __future__ import annotations

import re
import tracemalloc

import pytest

from aiojobs_redis import Queue
from aiojobs_redis.web import Dashboard
from tests.support.raw import raw
from tests.web.conftest import Reach
from tests.web.test_bounded import FILL, filled

pytestmark = [pytest.mark.requirement("S17"), pytest.mark.corrupts]

__all__ = ["filled"]

MANY, LARGE, MIB = 400, 100_000, 2**20


@pytest.fixture
async def large(filled: Queue) -> Queue:
    """A queue with jobs, 40 MB in all, that are dead and completed."""
    keys = filled.store.keys
    await filled.enqueue("fail", "x" * LARGE, id="template")
    blob = await raw(filled, "HGET", keys["jobs"], "template")
    await filled.job("template").remove()
    for letter, index in (("d", "dead"), ("c", "completed")):
        names = (keys["jobs"], keys["runs"], keys[index])
        await raw(filled, "EVAL", FILL, 3, *names, 0, MANY - 1, letter, blob)
    return filled


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/dead", rf'data-label="Jobs"><a href="[^"]*">{MANY}</a>'),
        ("/tasks", r"fail</a>"),
        ("/jobs?state=dead&q=task:fail", rf"{MANY} found"),
        ("/jobs?state=dead&q=xxx&offset=350", rf"351–{MANY} of {MANY}"),  # noqa: RUF001
    ],
)
async def test_a_page_holds_few_of_the_arguments_that_it_reads(
    large: Queue, reach: Reach, path: str, shown: str
) -> None:
    client = reach(Dashboard(large))
    # Templates and scripts are loaded once.
    assert (await client.get("/dead?queue=" + large.name)).status_code == 200

    tracemalloc.start()
    try:
        page = await client.get(path, headers={"accept": "text/html"})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert re.search(shown, page.text), page.text
    assert peak < 24 * MIB
