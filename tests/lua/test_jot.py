"""jot.lua and recall.lua: what running jobs leave, taken only from their holder."""

from __future__ import annotations

from typing import Any

import pytest
import redis.exceptions

from aiojobs_redis.extras import netstrings
from aiojobs_redis.payload_codec import netstring
from tests.support.scripts import Member, Scripts, token


async def held(scripts: Scripts, *ids: str) -> dict[str, str]:
    """Enqueue and claim jobs; return their tokens."""
    await scripts.enqueue(*ids)
    return {claim.id.decode(): token(claim, scripts.nonce) for claim in await scripts.claim()}


async def jot(scripts: Scripts, job: str, lease: str, kind: str, number: int, body: Any) -> Any:
    done, lost = await scripts.run("jot", job, lease, kind, number, body)
    assert done == 1
    return lost


async def left(scripts: Scripts, job: str, kind: str) -> bytes:
    found: bytes = (await scripts.run("recall", job, kind))[1]
    return found


def lines(*texts: bytes) -> bytes:
    return netstring(*texts)


def texts_of(log: bytes) -> list[bytes]:
    found = list(netstrings(log))
    assert netstring(*found) == log
    return found


async def test_what_is_left_is_read_back(scripts: Scripts) -> None:
    leases = await held(scripts, "a", "b")
    words = [
        *("a", leases["a"], "p", 1, b"\x00progress"),
        *("a", leases["a"], "l", 2, lines(b"one", b"two")),
        *("a", leases["a"], "s", 3, b"state"),
        *("b", leases["b"], "c", 1, netstring(b"name", b"value")),
    ]
    assert await scripts.run("jot", *words) == [4, []]

    assert await scripts.run("recall", "a", "p", "l", "s", "c") == [
        *(1, b"\x00progress", lines(b"one", b"two"), b"state", b"")
    ]
    assert await scripts.run("recall", "b", "c", "p") == [1, netstring(b"name", b"value"), b""]
    assert await scripts.run("recall", "nobody", "p") == [0, b""]


@pytest.mark.requirement("D30")
@pytest.mark.behaviour("F3")
@pytest.mark.parametrize("wrong", ["", ",", "{fence},", "{fence},ff", "1,{nonce}"])
@pytest.mark.parametrize("kind", ["p", "l", "s", "c", "e"])
async def test_whoever_does_not_hold_the_job_writes_nothing(
    scripts: Scripts, wrong: str, kind: str
) -> None:
    lease = (await held(scripts, "a"))["a"]
    await scripts.enqueue("queued")
    before = await scripts.raw.hgetall(scripts.key("runs"))
    fence, _, nonce = lease.partition(",")
    bad = wrong.format(fence=fence, nonce=nonce)
    lost = [await jot(scripts, job, bad, kind, 1, lines(b"x")) for job in ("a", "queued", "nobody")]

    assert lost == [[b"a"], [b"queued"], [b"nobody"]]
    assert await scripts.raw.hgetall(scripts.key("runs")) == before
    assert not await scripts.raw.exists(scripts.key("extras"))


@pytest.mark.behaviour("F26")
@pytest.mark.parametrize("kind", ["p", "l", "s", "c"])
async def test_a_note_that_is_sent_again_is_written_once(scripts: Scripts, kind: str) -> None:
    lease = (await held(scripts, "a"))["a"]
    first, second = lines(b"first"), lines(b"second")
    assert await jot(scripts, "a", lease, kind, 1, first) == []
    assert await jot(scripts, "a", lease, kind, 2, second) == []
    before = await left(scripts, "a", kind)
    for number, body in ((2, second), (1, first)):
        assert await jot(scripts, "a", lease, kind, number, body) == []

    assert await left(scripts, "a", kind) == before


async def test_the_next_holder_counts_anew(scripts: Scripts) -> None:
    lease = (await held(scripts, "a"))["a"]
    await jot(scripts, "a", lease, "l", 7, lines(b"of the first"))
    await scripts.expire_lease("a")
    (claim,) = await scripts.claim()
    await jot(scripts, "a", token(claim, scripts.nonce), "l", 1, lines(b"of the second"))

    assert texts_of(await left(scripts, "a", "l")) == [b"of the first", b"of the second"]


@pytest.mark.requirement("B12")
@pytest.mark.parametrize("size", [10, 1_000, 4_000])
async def test_a_log_keeps_its_last_64_kib(scripts: Scripts, size: int) -> None:
    lease = (await held(scripts, "a"))["a"]
    written: list[bytes] = []
    for number in range(40):
        new = [b"%d-%d" % (number, n) + b"x" * size for n in range(2400 // size + 1)]
        written += new
        await jot(scripts, "a", lease, "l", number, lines(*new))
        log = await left(scripts, "a", "l")
        kept = texts_of(log)
        assert kept == written[-len(kept) :]
        assert len(log) <= 65_536
        assert kept == written or len(log) > 52_000


async def test_a_list_of_steps_keeps_all_of_them(scripts: Scripts) -> None:
    lease = (await held(scripts, "a"))["a"]
    steps = [(b"step-%d" % number, b"v" * (7 * number)) for number in range(200)]
    for number, step in enumerate(steps):
        await jot(scripts, "a", lease, "c", number, netstring(*step))
    texts = texts_of(await left(scripts, "a", "c"))

    assert list(zip(texts[::2], texts[1::2], strict=True)) == steps
    assert sorted(await scripts.raw.hkeys(scripts.key("extras"))) == [b"ca", b"da"]


@pytest.mark.corrupts
async def test_a_damaged_log_begins_again(scripts: Scripts) -> None:
    lease = (await held(scripts, "a"))["a"]
    fence = lease.partition(",")[0]
    await scripts.raw.hset(scripts.key("extras"), "la", f"{fence},1,5:lines")
    await scripts.raw.hset(scripts.key("extras"), "oa", "what no script writes" * 4000)
    await jot(scripts, "a", lease, "l", 2, lines(b"new" * 4000))
    await jot(scripts, "a", lease, "l", 3, lines(b"newer"))

    assert texts_of(await left(scripts, "a", "l")) == [b"newer"]


async def test_a_claim_tells_that_there_is_something_to_read(scripts: Scripts) -> None:
    leases = await held(scripts, "plain", "spoke", "state", "steps")
    await jot(scripts, "spoke", leases["spoke"], "p", 1, "progress")
    await jot(scripts, "spoke", leases["spoke"], "l", 2, lines(b"line"))
    await jot(scripts, "state", leases["state"], "s", 1, "state")
    await jot(scripts, "steps", leases["steps"], "c", 1, netstring(b"n", b"v"))
    await jot(scripts, "steps", leases["steps"], "c", 2, netstring(b"m", b"v"))
    for job in leases:
        await scripts.expire_lease(job)
    claims = await scripts.claim()

    assert {claim.id.decode(): claim.carries for claim in claims} == {
        **{"plain": False, "spoke": False, "state": True, "steps": True}
    }
    assert all((claim.generation, claim.failures, claim.lost) == (1, 0, 1) for claim in claims)


@pytest.mark.requirement("B12")
async def test_progress_is_told_in_the_events(scripts: Scripts) -> None:
    leases = await held(scripts, "a", "b")
    await scripts.run("jot", *[part for job in "ab" for part in (job, leases[job], "p", 1, "half")])
    entries = await scripts.raw.xrange(scripts.key("events"))

    assert [fields[b"progress"] for _, fields in entries if b"progress" in fields] == [b"1:a1:b"]


async def emitted(scripts: Scripts) -> list[bytes]:
    """Return what each entry of events says was emitted."""
    entries = await scripts.raw.xrange(scripts.key("events"))
    return [fields[b"emitted"] for _, fields in entries if b"emitted" in fields]


@pytest.mark.behaviour("F26")
async def test_what_a_job_emits_is_told_once_and_not_kept(scripts: Scripts) -> None:
    leases = await held(scripts, "a", "b")
    words = [
        *("a", leases["a"], "l", 1, lines(b"line")),
        *("a", leases["a"], "e", 2, lines(b"one", b"two")),
        *("a", leases["a"], "p", 3, "half"),
        *("b", leases["b"], "e", 1, lines(b"three")),
        *("a", leases["a"], "e", 4, lines(b"four")),
    ]
    for _ in range(2):
        # The second time as if the answer was lost.
        assert await scripts.run("jot", *words) == [5, []]

    assert await emitted(scripts) == [b"1:a3:one1:a3:two1:b5:three1:a4:four"]
    assert await left(scripts, "a", "l") == lines(b"line")
    await jot(scripts, "a", leases["a"], "l", 5, lines(b"next"))
    assert await left(scripts, "a", "l") == lines(b"line", b"next")
    assert sorted(await scripts.raw.hkeys(scripts.key("extras"))) == [b"la", b"lb", b"pa"]


@pytest.mark.behaviour("F21")
async def test_an_entry_takes_64_events_and_16_kib(scripts: Scripts) -> None:
    lease = (await held(scripts, "a"))["a"]
    await jot(scripts, "a", lease, "e", 1, lines(*[b"x"] * 130))
    await jot(scripts, "a", lease, "e", 2, lines(*[b"x" * 5_000] * 7, b"y" * 20_000, b"z"))

    found = await emitted(scripts)
    assert [text.count(b"1:a") for text in found] == [64, 64, 2, 3, 3, 1, 1, 1]
    assert max(map(len, found[:-2])) <= 16_384


@pytest.mark.behaviour("F26")
async def test_a_call_to_emit_is_taken_once_and_none_after_a_later_one(scripts: Scripts) -> None:
    calls = [(1, "a"), (2, "b", "c"), (2, "b", "c"), (1, "a"), (10, "d"), (9, "late")]
    taken = [await scripts.run("emit", "f" * 32, *words) for words in calls]
    assert taken == [1, 1, 0, 0, 1, 0]
    assert await scripts.run("emit", "e" * 32, 1, "other") == 1

    assert await emitted(scripts) == [b"0:1:a", b"0:1:b0:1:c", b"0:1:d", b"0:5:other"]


@pytest.mark.requirement("F25")
async def test_what_is_left_goes_with_the_job(scripts: Scripts) -> None:
    leases = await held(scripts, "a", "b")
    for number, kind in enumerate("plsc"):
        for job in "ab":
            await jot(scripts, job, leases[job], kind, number, lines(b"x"))
    await scripts.exchange(Member("a", leases["a"], "c 0 1"), nonce=scripts.nonce)

    assert sorted(await scripts.raw.hkeys(scripts.key("extras"))) == [b"cb", b"lb", b"pb", b"sb"]
    await scripts.exchange(Member("b", leases["b"], "c 0 1"), nonce=scripts.nonce)
    assert not await scripts.raw.exists(scripts.key("extras"))


async def test_a_full_redis_takes_no_more_progress_lines_and_events(scripts: Scripts) -> None:
    lease = (await held(scripts, "a"))["a"]
    await scripts.meta(tight=1)
    for number, kind in enumerate("plsce", 1):
        assert await jot(scripts, "a", lease, kind, number, lines(b"x")) == []

    assert sorted(await scripts.raw.hkeys(scripts.key("extras"))) == [b"ca", b"sa"]
    assert await emitted(scripts) == []


@pytest.mark.behaviour("F19")
async def test_a_call_of_the_wrong_length_writes_nothing(scripts: Scripts) -> None:
    lease = (await held(scripts, "a"))["a"]
    with pytest.raises(redis.exceptions.ResponseError, match="five arguments a note"):
        await scripts.run("jot", "a", lease, "p", 1, "half", "a")

    assert not await scripts.raw.exists(scripts.key("extras"))


@pytest.mark.behaviour("F21")
async def test_a_call_leaves_what_would_take_long_to_the_next_one(scripts: Scripts) -> None:
    leases = await held(scripts, *[f"j{n}" for n in range(10)])
    words = [part for job, lease in leases.items() for part in (job, lease, "s", 1, b"x" * 100_000)]
    rounds = []
    while words:
        done, lost = await scripts.run("jot", *words)
        assert lost == []
        rounds.append(done)
        words = words[5 * done :]

    assert rounds == [3, 3, 3, 1]
    assert {len(await left(scripts, job, "s")) for job in leases} == {100_000}


@pytest.mark.behaviour("T63")
@pytest.mark.parametrize("code", ["c", "d", "x"])
async def test_a_replay_goes_on_with_what_was_done_unless_the_job_completed(
    scripts: Scripts, code: str
) -> None:
    lease = (await held(scripts, "a"))["a"]
    for number, kind in enumerate("plsc", 1):
        await jot(scripts, "a", lease, kind, number, lines(b"x"))
    await scripts.exchange(Member("a", lease, f"{code}  1", value="{}"), nonce=scripts.nonce)
    assert await scripts.operate("replay", "cdx", "a") == [code.encode()]
    (claim,) = await scripts.claim()

    left_over = {kind for kind in "plsc" if await left(scripts, "a", kind)}
    anew = b",i2" in claim.blob.partition(b"\n")[0]
    assert (left_over, claim.carries, anew) == (
        ({"l"}, False, True) if code == "c" else ({"l", "s", "c"}, True, False)
    )


@pytest.mark.parametrize("spec", [b"spec", b"other"])
async def test_other_arguments_begin_anew_and_the_same_go_on(scripts: Scripts, spec: bytes) -> None:
    lease = (await held(scripts, "a"))["a"]
    for number, kind in enumerate("plsc", 1):
        await jot(scripts, "a", lease, kind, number, lines(b"x"))
    await scripts.exchange(Member("a", lease, "t 0 1", value="{}"), nonce=scripts.nonce)
    before = await scripts.raw.hget(scripts.key("jobs"), "a")
    for _ in range(2):
        # The second time as if the first answer was lost.
        assert await scripts.run("change", "a", before, spec) == b"Q"
    (claim,) = await scripts.claim()

    left_over = {kind for kind in "plsc" if await left(scripts, "a", kind)}
    anew = b",i" in claim.blob.partition(b"\n")[0]
    assert (left_over, claim.carries, anew) == (
        ({"l"}, False, True) if spec == b"other" else ({"p", "l", "s", "c"}, True, False)
    )


@pytest.mark.behaviour("T62")
async def test_a_cleared_log_keeps_its_end_and_takes_no_note_twice(scripts: Scripts) -> None:
    lease = (await held(scripts, "a"))["a"]
    await jot(scripts, "a", lease, "l", 1, lines(b"1", b"2", b"3"))
    await jot(scripts, "a", lease, "l", 2, lines(b"x" * 5000, b"y" * 5000, b"4"))

    assert await scripts.run("clear_log", "a", 3) == 1
    assert texts_of(await left(scripts, "a", "l"))[1:] == [b"y" * 5000, b"4"]
    assert await scripts.run("clear_log", "a", 1) == 1
    assert texts_of(await left(scripts, "a", "l")) == [b"4"]
    # Its answer was lost, so it is sent again.
    await jot(scripts, "a", lease, "l", 2, lines(b"4"))
    await jot(scripts, "a", lease, "l", 3, lines(b"5"))
    assert texts_of(await left(scripts, "a", "l")) == [b"4", b"5"]
    assert await scripts.run("clear_log", "a", 0) == 1
    assert await left(scripts, "a", "l") == b""
    assert await scripts.run("clear_log", "nobody", 0) == 0
