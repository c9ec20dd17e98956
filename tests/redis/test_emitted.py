"""Events of an application's own: told by anybody, delivered with the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from aiojobs_redis import (
    AiojobsError,
    ArgumentsInvalid,
    ConfigInvalid,
    EmittedEvent,
    Event,
    EventStream,
    PayloadTooLarge,
    Queue,
    SignedCodec,
)
from tests.support.proxy import Proxy, runs_script
from tests.support.raw import raw

ALL = "0-0"
is_emit = runs_script("emit")


async def read(stream: EventStream, count: int) -> list[Event]:
    """Return the next so many events."""
    found: list[Event] = []
    async with asyncio.timeout(30):
        async for event in stream:
            found.append(event)
            if len(found) == count:
                break
    return found


def told(events: Iterable[Event]) -> list[tuple[str, Any]]:
    """Return names and data of events, all of which were emitted."""
    pairs: list[tuple[str, Any]] = []
    for event in events:
        assert isinstance(event, EmittedEvent)
        assert event.type == "emitted"
        pairs.append((event.name, event.data))
    return pairs


async def entries(queue: Queue) -> list[Any]:
    found: list[Any] = await raw(queue, "XRANGE", queue.store.keys["events"], "-", "+")
    return found


@pytest.mark.requirement("U12")
async def test_what_is_emitted_comes_in_its_order_with_other_events(queue: Queue) -> None:
    data = {"cents": 7, "names": ["a", "\N{SNOWMAN}"], "raw": b"\x00", "none": None}
    async with queue.events() as events:
        await queue.emit("opened")
        await queue.pause()
        await queue.emit("payment \N{SNOWMAN}", data)
        found = await read(events, 3)

    opened, paused, payment = found
    assert told([opened, payment]) == [("opened", None), ("payment \N{SNOWMAN}", data)]
    assert (paused.type, paused.data) == ("paused", {})
    assert (opened.job, opened.task, opened.worker, await opened.info()) == (None,) * 4
    assert await read(queue.events(opened.id), 2) == found[1:]
    assert await read(queue.events(ALL, types=["emitted"]), 2) == [opened, payment]
    assert await queue.recent_events(types=["emitted"]) == [opened, payment]


async def test_a_queue_where_somebody_emits_exists_and_can_be_destroyed(queue: Queue) -> None:
    await queue.emit("first")
    assert (await queue.counts()).unfinished == 0
    assert await raw(queue, "HGET", queue.store.keys["meta"], "schema") == b"1"
    await queue.destroy()
    await queue.emit("after")
    assert told(await read(queue.events(ALL), 1)) == [("after", None)]


async def test_those_who_emit_at_once_share_calls_and_keep_their_order(queue: Queue) -> None:
    await queue.emit("first")
    await asyncio.gather(*[queue.emit("number", number) for number in range(250)])
    found = told(await read(queue.events(ALL), 251))

    assert found == [("first", None), *[("number", number) for number in range(250)]]
    assert len(await entries(queue)) < 10
    assert await raw(queue, "HLEN", queue.store.keys["producers"]) == 1


async def test_an_entry_takes_16_kib_but_for_a_larger_event(queue: Queue) -> None:
    # One is on its way, so the others come together.
    await asyncio.gather(*[queue.emit("large", bytes(7_000)) for _ in range(10)])
    await queue.emit("largest", bytes(16_381))
    sizes = [len(fields[1]) for _, fields in await entries(queue)]

    assert max(sizes) < 17_000
    assert len(sizes) >= 6
    assert len(await read(queue.events(ALL), 11)) == 11


@pytest.mark.parametrize(
    ("name", "data", "error", "text"),
    [
        ("", None, ConfigInvalid, "a text of 1 to 256 bytes, got ''"),
        (7, None, ConfigInvalid, "a text of 1 to 256 bytes, got 7"),
        ("\N{SNOWMAN}" * 86, None, ConfigInvalid, "1 to 256 bytes, got"),
        ("\ud800", None, ConfigInvalid, "1 to 256 bytes, got"),
        ("x", object(), ArgumentsInvalid, "event 'x' cannot be encoded: .* type object"),
        ("x", 2**64, ArgumentsInvalid, "64 bits"),
        ("x", bytes(16_382), PayloadTooLarge, "event 'x' takes 16385 bytes .* limit is 16384"),
    ],
)
async def test_what_cannot_be_emitted_is_refused(
    queue: Queue, name: Any, data: object, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        await queue.emit(name, data)
    assert not await raw(queue, "EXISTS", *queue.store.keys.values())


async def test_the_longest_name_is_taken(queue: Queue) -> None:
    await queue.emit("\N{SNOWMAN}" * 85 + "x")
    [(name, _)] = told(await read(queue.events(ALL), 1))
    assert len(name.encode()) == 256


@pytest.mark.parametrize("server_url", ["valkey"], indirect=True)
async def test_a_kind_of_a_newer_version_is_passed_over(queue: Queue) -> None:
    await queue.emit("before")
    await raw(queue, "XADD", queue.store.keys["events"], "*", "foreseen", "0:4:what")
    await queue.emit("after")
    found = await read(queue.events(ALL), 2)

    assert told(found) == [("before", None), ("after", None)]
    assert told(await read(queue.events(found[0].id), 1)) == [("after", None)]


# Sealed


@pytest.fixture
async def sealed(queue: Queue, server_url: str) -> AsyncIterator[Queue]:
    """The same queue with a codec."""
    codec = SignedCodec({"k": b"k" * 32}, current="k")
    sealed = Queue(queue.name, url=server_url, namespace="test", codec=codec)
    yield sealed
    await sealed.close()


@pytest.mark.requirement("S5")
async def test_what_is_emitted_is_sealed_for_its_place(
    queue: Queue, sealed: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    await sealed.emit("paid", 7)
    await queue.emit("paid", "forged")
    [(_, (_, first)), _] = await entries(queue)
    # As if a job had said it.
    await raw(queue, "XADD", queue.store.keys["events"], "*", "emitted", b"1:a" + first[2:])
    await sealed.emit("paid", 8)
    good, forged, moved, last = await read(sealed.events(ALL), 4)

    assert told([good, last]) == [("paid", 7), ("paid", 8)]
    for rejected in forged, moved:
        assert not isinstance(rejected, EmittedEvent)
        assert rejected.type == "emitted"
        assert "was rejected" in rejected.data["rejected"]
    assert (forged.job, moved.job) == (None, "a")
    assert len([record for record in caplog.records if "cannot be opened" in record.message]) == 1


async def test_a_reader_without_the_codec_is_told_that_it_cannot_read(
    queue: Queue, sealed: Queue
) -> None:
    await sealed.emit("paid", 7)
    await queue.pause()
    sealed_one, paused = await read(queue.events(ALL), 2)

    assert not isinstance(sealed_one, EmittedEvent)
    assert "sealed by a codec" in sealed_one.data["rejected"]
    assert paused.type == "paused"


# Faults


@pytest.mark.behaviour("F26")
async def test_an_event_whose_reply_is_lost_is_told_once(far_queue: Queue, proxy: Proxy) -> None:
    for number in range(3):
        proxy.drop_reply_of(is_emit)
        await far_queue.emit("number", number)

    assert len(list(filter(is_emit, proxy.seen))) == 6
    await far_queue.emit("last")
    found = told(await read(far_queue.events(ALL), 4))
    assert found == [("number", 0), ("number", 1), ("number", 2), ("last", None)]


async def test_each_emit_is_one_round_trip(far_queue: Queue, proxy: Proxy) -> None:
    await far_queue.emit("first")
    before = len(proxy.seen)
    await far_queue.emit("second")
    assert len(proxy.seen) == before + 1


async def test_nobody_waits_for_one_who_gave_up(far_queue: Queue, proxy: Proxy) -> None:
    there, gate = asyncio.Event(), asyncio.Event()

    async def hold(words: list[bytes]) -> None:
        if is_emit(words):
            there.set()
            await gate.wait()

    await far_queue.emit("first")
    proxy.before = hold
    sent = asyncio.create_task(far_queue.emit("sent"))
    await there.wait()
    given_up = asyncio.create_task(far_queue.emit("given up"))
    waiting = asyncio.create_task(far_queue.emit("waiting"))
    await asyncio.sleep(0)
    sent.cancel()
    given_up.cancel()
    await asyncio.wait({sent, given_up})
    gate.set()
    await waiting

    found = told(await read(far_queue.events(ALL), 3))
    assert [name for name, _ in found] == ["first", "sent", "waiting"]


async def test_an_error_reaches_each_caller_and_none_of_those_that_follow(queue: Queue) -> None:
    await raw(queue, "SET", queue.store.keys["events"], "what no script writes")
    calls = [queue.emit("number", number) for number in range(3)]
    errors = await asyncio.gather(*calls, return_exceptions=True)

    assert all(isinstance(error, AiojobsError) for error in errors)
    assert len(set(map(id, errors))) == 3
    await raw(queue, "DEL", queue.store.keys["events"])
    await queue.emit("after")
    assert told(await read(queue.events(ALL), 1)) == [("after", None)]
