"""walk.lua: the ids of an index come once each, in its order, whatever leaves or comes then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.scripts import Scripts

DIES = "d", "", '{"type":"E"}'
# In the order of their bytes, which is no language's; many are the beginning of others.
NAMES = [
    "",
    "\x00",
    "\x00\x00",
    " ",
    "A",
    "B",
    "Z",
    "_",
    "a",
    "aa",
    "ab",
    "b",
    "z",
    "ä",
    "日",
    "😀",
]


async def walk(
    scripts: Scripts, letter: str = "d", limit: int = 3, between: Callable[[], Any] | None = None
) -> list[str]:
    """Return what comes, a call after the other."""
    found: list[str] = []
    moment: Any = 0
    place: list[Any] = []
    for _ in range(100):
        moment, ids, *place = await scripts.run("walk", letter, moment, limit, *place)
        assert len(ids) <= limit
        found += [id.decode() for id in ids]
        if not place:
            return found
        if between is not None:
            await between()
    raise AssertionError(f"it comes to no end: {found[:200]}")


async def die(scripts: Scripts, *ids: str) -> None:
    """Let jobs die in the same millisecond, as far as their index says."""
    await scripts.enqueue(*ids)
    claims = await scripts.claim(len(ids))
    await scripts.exchange(*(scripts.ended(claim, *DIES) for claim in claims))


async def test_all_come_in_the_order_of_the_index(scripts: Scripts) -> None:
    names = [f"j{name}" for name in NAMES]
    await die(scripts, *names[::-1])
    await die(scripts, "last", "first")
    for name in ("last", "first"):
        # A fast server may still be in the millisecond of the others.
        await scripts.raw.zincrby(scripts.key("dead"), 1, name)

    for limit in (1, 2, 3, 7, 17, 18, 19, 250):
        assert await walk(scripts, limit=limit) == [*names, "first", "last"]


@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_who_leaves_moves_nobody_past_the_place(scripts: Scripts, limit: int) -> None:
    names = [f"j{number:02}" for number in range(20)]
    await die(scripts, *names)
    leaving = iter([["j00", "j01", "j02"], ["j05", "j19"], ["j06", "j08"]])
    gone: list[str] = []

    async def leave() -> None:
        for name in next(leaving, []):
            gone.append(name)
            await scripts.operate("replay", "d", name)

    found = await walk(scripts, limit=limit, between=leave)

    assert len(set(found)) == len(found)
    assert set(names) - set(gone) <= set(found) <= set(names)


async def test_who_comes_meanwhile_or_comes_back_is_left_out(scripts: Scripts) -> None:
    await die(scripts, "a", "b", "c")
    await scripts.enqueue("running")
    running = scripts.ended((await scripts.claim())[0], *DIES)
    moment, ids, *place = await scripts.run("walk", "d", 0, 1)
    before = await scripts.now()
    while await scripts.now() == before:
        pass
    await scripts.operate("replay", "d", "a", "c")
    await scripts.exchange(*(scripts.ended(claim, *DIES) for claim in await scripts.claim(2)))
    await scripts.exchange(running)
    await die(scripts, "z")

    assert ids == [b"a"]
    assert (await scripts.run("walk", "d", moment, 9, *place))[1:] == [[b"b"]]
    assert await walk(scripts, limit=9) == ["b", "a", "c", "running", "z"]


async def test_jobs_that_wait_for_their_time_are_those_of_before(scripts: Scripts) -> None:
    await scripts.enqueue("late", options=",y90000")
    await scripts.enqueue("soon", options=",y60000")
    await scripts.enqueue("tried")
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "t", 60_000, "{}"))
    moment = await scripts.now()
    while await scripts.now() == moment:
        pass
    await scripts.enqueue("new", options=",y70000")
    await scripts.enqueue("other")
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "t", 60_000, "{}"))

    assert (await scripts.run("walk", "s", moment, 9))[1:] == [[b"soon", b"late"]]
    assert (await scripts.run("walk", "t", moment, 9))[1:] == [[b"tried"]]
    assert await walk(scripts, "s") == ["soon", "new", "late"]
    assert await walk(scripts, "t") == ["tried", "other"]


async def test_what_has_ended_otherwise_is_that_of_before(scripts: Scripts) -> None:
    ends: dict[str, tuple[Any, ...]] = {
        "x": ("x", "", "{}"),
        "c": ("c",),
        "k": ("c", 60_000),
    }

    async def end(when: str) -> None:
        for letter, how in ends.items():
            await scripts.enqueue(f"{letter} {when}")
            (claim,) = await scripts.claim()
            await scripts.exchange(scripts.ended(claim, *how))

    await end("before")
    moment = await scripts.now()
    while await scripts.now() == moment:
        pass
    await end("since")

    for letter in ends:
        before, since = f"{letter} before", f"{letter} since"
        assert (await scripts.run("walk", letter, moment, 9))[1:] == [[before.encode()]]
        assert await walk(scripts, letter, limit=1) == [before, since]


@pytest.mark.parametrize("letter", ["d", "x", "c", "k"])
async def test_no_job_is_told_that_ended_after_a_moment_that_is_earlier_than_now(
    scripts: Scripts, letter: str
) -> None:
    ends: dict[str, tuple[Any, ...]] = {
        "d": DIES,
        "x": ("x", "", "{}"),
        "c": ("c",),
        "k": ("c", 60_000),
    }
    moments: list[int] = []
    for id in ("first", "second", "third"):
        await scripts.enqueue(id)
        (claim,) = await scripts.claim()
        await scripts.exchange(scripts.ended(claim, *ends[letter]))
        moments.append(await scripts.now())
        while await scripts.now() == moments[-1]:
            pass

    first, _, third = moments
    moment, ids, *place = await scripts.run("walk", letter, f"<{first}", 2)
    # Only completed jobs stand in the order in which they ended, so that there are no more.
    assert (int(moment), ids, bool(place)) == (first, [b"first"], letter != "c")
    assert (await scripts.run("walk", letter, f"<{first}", 9))[1:] == [[b"first"]]
    moment, ids = await scripts.run("walk", letter, f"<{third + 60_000}", 9)
    assert third < int(moment) <= await scripts.now()
    assert ids == [b"first", b"second", b"third"]
    assert (await scripts.run("walk", letter, "<0", 9))[:2] == [b"0", []]


async def test_of_a_queue_without_any_there_are_none(scripts: Scripts) -> None:
    for letter in "stdxck":
        assert (await scripts.run("walk", letter, 0, 250))[1:] == [[]]
