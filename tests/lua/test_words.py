"""ask_worker.lua, and what beats, departures and the janitor do with what it keeps."""

from __future__ import annotations

import pytest

from tests.support.scripts import Scripts

GOING = ("s1", "q1")


async def words(scripts: Scripts) -> dict[bytes, bytes]:
    """Return what is kept for workers."""
    meta = await scripts.raw.hgetall(scripts.key("meta"))
    return {name: text for name, text in meta.items() if name.startswith(b"word ")}


async def ask(scripts: Scripts, worker: str, word: str) -> int:
    """Ask something of a worker, in a call whose number is the rest of the word."""
    found: int = await scripts.run("ask_worker", word[1:], worker, word[0])
    return found


async def seen_ago(scripts: Scripts, ms: int, worker: str = "w1") -> None:
    """Let a worker have been seen so long ago."""
    text = f"{await scripts.now() - ms},{{}}"
    await scripts.raw.hset(scripts.key("workers"), worker, text)


async def test_a_word_is_given_to_each_beat_until_one_names_it_as_obeyed(scripts: Scripts) -> None:
    await scripts.beat(first=True)
    assert await ask(scripts, "w1", "q1") == 1
    read = [(await scripts.beat()).word for _ in range(2)]
    kept = await words(scripts)
    after = (await scripts.beat(obeyed="q1")).word

    assert (read, kept, after) == (["q1", "q1"], {b"word w1": b"q1"}, "")
    assert await words(scripts) == {}


async def test_what_was_obeyed_before_does_not_end_a_later_word(scripts: Scripts) -> None:
    await scripts.beat(first=True)
    await ask(scripts, "w1", "q1")
    await ask(scripts, "w1", "r2")

    assert (await scripts.beat(obeyed="q1")).word == "r2"
    assert await words(scripts) == {b"word w1": b"r2"}
    assert (await scripts.beat(obeyed="r2")).word == ""


async def test_a_word_is_for_one_worker(scripts: Scripts) -> None:
    await scripts.beat(first=True)
    await seen_ago(scripts, 0, "w2")
    await ask(scripts, "w2", "q1")

    assert (await scripts.beat()).word == ""
    registry = await scripts.run("registry")
    assert dict(zip(registry[::3], registry[2::3], strict=True)) == {b"w1": b"", b"w2": b"q1"}


async def test_a_word_that_is_sent_again_is_answered_as_before_and_not_kept_again(
    scripts: Scripts,
) -> None:
    await scripts.beat(first=True)
    first = await ask(scripts, "w1", "q1")
    await scripts.beat(obeyed="q1")
    again = await ask(scripts, "w1", "q1")
    await scripts.run("leave", scripts.incarnation, "w1")

    assert (first, again, await ask(scripts, "w1", "q1")) == (1, 1, 1)
    assert await words(scripts) == {}
    assert await ask(scripts, "w1", "q2") == 0


@pytest.mark.parametrize("word", GOING)
async def test_a_worker_that_leaves_takes_its_word_along(scripts: Scripts, word: str) -> None:
    await scripts.beat(first=True)
    await ask(scripts, "w1", word)
    await scripts.run("leave", scripts.incarnation, "w1")

    assert await words(scripts) == {}
    assert await ask(scripts, "w1", word + "2") == 0
    assert await words(scripts) == {}


async def test_the_word_of_a_worker_that_was_killed_goes_with_its_entry(scripts: Scripts) -> None:
    await scripts.beat(first=True)
    await seen_ago(scripts, 50_000, "w2")
    await ask(scripts, "w1", "q1")
    await ask(scripts, "w2", "s2")
    await seen_ago(scripts, 61_000, "w2")
    await scripts.run("sweep", 10, 0, 0, 0, 0, 0, 0)

    assert await words(scripts) == {b"word w1": b"q1"}
    assert await scripts.raw.hkeys(scripts.key("workers")) == [b"w1"]


async def test_who_was_not_seen_for_a_minute_is_neither_shown_nor_asked(scripts: Scripts) -> None:
    await scripts.beat(first=True)
    await seen_ago(scripts, 60_000)

    assert await scripts.run("registry") == []
    assert await ask(scripts, "w1", "s1") == 0
    assert await words(scripts) == {}


async def test_a_queue_without_workers_is_asked_in_vain_and_not_made(scripts: Scripts) -> None:
    assert await ask(scripts, "w1", "s1") == 0
    assert await scripts.raw.keys(f"*{{{scripts.store.queue}}}*") == []


async def test_who_stops_is_no_worker_that_jobs_may_wait_for(scripts: Scripts) -> None:
    counted = []
    for state in (b"running", b"quiet", b"stopping"):
        await scripts.beat(info=b'{"state":"' + state + b'","pid":1}', first=True)
        counted.append((await scripts.run("counts"))[8])

    assert counted == [1, 1, 0]
