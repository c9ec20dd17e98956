"""enqueue_one.lua: the short way of one plain job ends where the long one ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.scripts import Scripts, dump

PRODUCER = "a" * 32
OK = b"OK"


async def add(scripts: Scripts, job: str, counter: int, spec: bytes = b"spec") -> Any:
    return await scripts.run("enqueue_one", PRODUCER, counter, job, "work", spec)


async def add_as_one_of_many(scripts: Scripts, job: str, counter: int) -> Any:
    return await scripts.run("enqueue", PRODUCER, counter, 0, 0, "", 1, "work", job, "1", b"spec")


async def contents(scripts: Scripts) -> dict[bytes, Any]:
    """Return all keys; ids of events and times, which differ from run to run, are cut off."""
    found = await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")
    by_name = {key.rpartition(b":")[2]: value for key, value in found.items()}
    by_name[b"events"] = [fields for _, fields in by_name[b"events"]]
    by_name[b"jobs"] = {job: blob[10:] for job, blob in by_name[b"jobs"].items()}
    by_name[b"producers"] = [last.split(b",")[::2] for last in by_name[b"producers"].values()]
    by_name[b"stats"] = {field.partition(b",")[2]: n for field, n in by_name[b"stats"].items()}
    for field in (b"fence", b"beat", b"born"):
        del by_name[b"meta"][field]
    return by_name


@pytest.mark.parametrize("paused", [False, True])
async def test_both_ways_write_the_same(scripts: Scripts, paused: bool) -> None:
    ways: list[Callable[[Scripts, str, int], Awaitable[Any]]] = [add, add_as_one_of_many]
    written = []
    for way in ways:
        await scripts.destroy()
        await scripts.enqueue("first")
        await scripts.raw.delete(scripts.key("wake"), scripts.key("producers"))
        if paused:
            await scripts.operate("pause", 1)
        for job, counter in (("a", 1), ("b", 2), ("b", 2)):
            assert await way(scripts, job, counter) == [OK, b"1"]
        written.append(await contents(scripts))
        for _ in range(2):
            assert await way(scripts, "a", 3) == [OK, b"0"]

    assert written[0] == written[1]


async def test_a_resent_call_is_answered_as_the_first_time(scripts: Scripts) -> None:
    await scripts.enqueue("first")
    assert await add(scripts, "a", 4) == [OK, b"1"]
    claims = await scripts.claim()
    await scripts.exchange(*(scripts.ended(claim, "c", 0) for claim in claims))

    assert await add(scripts, "a", 4) == [OK, b"1"]
    assert await add(scripts, "b", 3) == [b"STALE"]
    assert await scripts.state("a") == await scripts.state("b") == ""


async def test_it_makes_no_queue(scripts: Scripts) -> None:
    assert await add(scripts, "a", 1) == [b"NONE"]
    assert await dump(scripts.raw, f"*{{{scripts.store.queue}}}*") == {}


@pytest.mark.corrupts
async def test_a_sequence_that_is_no_number_leaves_nothing_behind(scripts: Scripts) -> None:
    await scripts.enqueue("first")
    await scripts.meta(sequence="nonsense")
    before = await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")
    with pytest.raises(Exception, match="not an integer"):
        await add(scripts, "a", 1)

    assert await dump(scripts.raw, f"*{{{scripts.store.queue}}}*") == before
