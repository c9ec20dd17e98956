"""Ids are any text of up to 256 bytes: no character of one is taken for the form of a record."""

from __future__ import annotations

import pytest

from tests.support.scripts import Member, Scripts

IDS = {
    "nul": "a\0b\0",
    "newline": "a\nb\r\n",
    "comma": "a,b,",
    "colon": "3:abc:",
    "netstring": "5:1:a2:bc",
    "spaces": "  a b  ",
    "emoji": "\U0001f680\U0001f469\u200d\U0001f52c",
    "pattern": "%d+(.-)[^%w]*$^",
    "quotes": "\"'\\{}",
    "surrogates": "\ud7ff\ue000\uffff\U0010ffff",
    "long": "\U0001f680" * 64,
    "record": "r,1,0,0,5,6,ab,w,7,,e1",
}

every_id = pytest.mark.parametrize("job", list(IDS.values()), ids=list(IDS))


@every_id
async def test_a_job_of_any_id_goes_through_every_state(scripts: Scripts, job: str) -> None:
    key = job.encode()
    assert await scripts.enqueue(job, "other", options=",y60000") == [b"OK", b"11"]
    assert await scripts.enqueue(job) == [b"OK", b"0"]
    await scripts.make_due("scheduled", job)
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "t", 60_000, "{}"))
    await scripts.make_due("retrying", job)
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "b", "", "rare"))
    assert (await scripts.beat()).parked == ["rare"]
    (claim,) = await scripts.claim(adopt=("rare",)) or await scripts.claim()
    await scripts.expire_lease(job)
    (claim,) = await scripts.claim()
    assert (claim.id, claim.lost, claim.failures) == (key, 1, 1)
    await scripts.exchange(scripts.ended(claim, "d", "", "{}"))
    assert await scripts.operate("replay", "cdx", job) == [b"d"]
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "c", "", b"value"))

    assert await scripts.run("outcome", job, "") == [b"c", b"value"]
    assert await scripts.run("page", "c", 0, 5) == [key]
    assert (await scripts.run("inspect", job))[0][0] == key


@every_id
async def test_a_resend_names_the_same_ids(scripts: Scripts, job: str) -> None:
    await scripts.enqueue(job, "other")
    lost = Member(job + "?", "1,ab", "1")
    first = await scripts.exchange(lost, Member("x", "1,ab", "1"), limit=5, counter=3)
    nonce = scripts.nonce
    again = await scripts.exchange(lost, limit=5, counter=3, nonce=nonce)
    renewed = await scripts.run("renew", scripts.incarnation, 3)

    assert again.lost == first.lost == [(job + "?").encode(), b"x"]
    assert [claim.id for claim in again.claims] == [job.encode(), b"other"]
    assert renewed[1:] == [3, [], []]


@every_id
async def test_a_renewal_and_a_cancellation_name_the_job(scripts: Scripts, job: str) -> None:
    await scripts.enqueue(job)
    (claim,) = await scripts.claim()
    await scripts.operate("cancel", job, "{}")
    held = f"{claim.fence},{scripts.nonce} 15000"
    _, _, lost, cancel = await scripts.run(
        "renew", scripts.incarnation, 0, job, held, job + "?", held
    )

    assert lost == [(job + "?").encode()]
    assert cancel == [job.encode(), b"{}"]


@every_id
async def test_waiters_and_events_name_the_job(scripts: Scripts, job: str) -> None:
    key = job.encode()
    async with scripts.raw.pubsub() as listener:
        await listener.subscribe("here")
        await listener.get_message(timeout=5)
        await scripts.enqueue(job)
        await scripts.run("outcome", job, "here")
        (claim,) = await scripts.claim()
        await scripts.exchange(scripts.ended(claim, "c", "", b"v"))
        message = await listener.get_message(ignore_subscribe_messages=True, timeout=5)
    events = [entry for _, entry in await scripts.raw.xrange(scripts.key("events"))]
    packed = b"%d:%s" % (len(key), key)

    assert message is not None
    assert message["data"] == b"cv" + packed + b"v"
    assert events == [
        {b"enqueued,work": packed},
        {b"@": b"w1", b"started": packed},
        {b"@": b"w1", b"completed,work": packed, b"drained": b"0:"},
    ]


@pytest.mark.parametrize("name", [name for name in IDS if name != "long"])
async def test_a_schedule_of_any_id_makes_its_jobs(scripts: Scripts, name: str) -> None:
    schedule = IDS[name]
    tick = await scripts.now() - 5000
    await scripts.run("schedule", schedule, "ab", "", tick, 0, 0, "a\nb\0c")
    _, _, found, record, _ = await scripts.run("read_schedules", "due")
    job = f"{schedule}:{tick}"
    fired = (schedule, "ab", tick, tick + 1, tick, 0, 1, "", "work", job, "1", "spec")
    second = (schedule, "ab", tick + 1, "", tick, 0, 1, "", "work", job + "1", "1", "spec")

    assert found == schedule.encode()
    assert record.endswith(b"\na\nb\0c")
    assert await scripts.run("fire", *fired) == b"1"
    assert await scripts.run("fire", *second) == b""
    assert await scripts.claim_ids() == [job.encode()]
    assert await scripts.operate("unschedule", schedule, "") == 1
