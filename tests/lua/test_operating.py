"""replay.lua, cancel.lua, pause.lua, destroy.lua: what an operator does to jobs and queues."""

from __future__ import annotations

import pytest

from aiojobs_redis.spec import read_header
from tests.lua.test_reading import one_of_each
from tests.support.scripts import Scripts


async def test_only_finished_jobs_are_replayed(scripts: Scripts) -> None:
    await one_of_each(scripts)
    was = await scripts.operate("replay", "cdx", *"ckdxtbrsq", "unknown")
    states = await scripts.run("states", *"ckdxtbrsq")

    assert was == [b"c", b"c", b"d", b"x", b"t", b"b", b"r", b"s", b"q", b""]
    assert states == [b"q", b"q", b"q", b"q", b"t", b"b", b"r", b"s", b"q"]


async def test_only_jobs_of_the_states_that_were_named_are_replayed(scripts: Scripts) -> None:
    await one_of_each(scripts)

    assert await scripts.operate("replay", "d", *"cdx") == [b"c", b"d", b"x"]
    assert await scripts.run("states", *"cdx") == [b"c", b"q", b"x"]


async def test_no_more_is_replayed_in_a_call_than_there_is_time_for(scripts: Scripts) -> None:
    jobs = [f"j{number}" for number in range(12)]
    await scripts.enqueue(*jobs, spec=b"x" * 1_000_000, options=",k3600000")
    while claims := await scripts.claim():
        await scripts.exchange(*[scripts.ended(claim, "d", "", "{}") for claim in claims])

    assert await scripts.operate("replay", "d", *jobs) == [b"d"] * 5
    assert await scripts.run("states", *jobs) == [b"q"] * 5 + [b"d"] * 7
    assert await scripts.operate("replay", "d", *jobs[5:]) == [b"d"] * 5


async def test_a_replayed_job_is_its_next_generation_with_fresh_attempts(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",p7")
    (first,) = await scripts.claim()
    await scripts.exchange(scripts.ended(first, "t", 0, '{"n":1}'))
    (second,) = await scripts.claim()
    await scripts.exchange(scripts.ended(second, "d", "", '{"n":2}'))
    await scripts.operate("replay", "cdx", "a")
    await scripts.enqueue("low", options=",p6")
    (third, _) = await scripts.claim()

    assert (third.id, third.generation, third.failures, third.lost) == (b"a", 2, 0, 0)
    assert third.fence > second.fence
    errors = await scripts.raw.hget(scripts.key("errors"), "a")
    assert errors == b'{"n":1}\n{"n":2}'


async def test_a_replayed_job_has_no_old_result_and_no_expiry(scripts: Scripts) -> None:
    now = await scripts.now()
    await scripts.enqueue("dead", options=f",x{now - 1000}")
    await scripts.enqueue("done")
    (claim,) = await scripts.claim()
    await scripts.exchange(scripts.ended(claim, "c", "", b"old"))
    await scripts.operate("replay", "cdx", "dead", "done")

    assert await scripts.run("outcome", "done", "") == [b"q", b""]
    assert await scripts.claim_ids() == [b"dead", b"done"]


async def test_a_replayed_job_has_nothing_left_of_its_wait(scripts: Scripts) -> None:
    now = await scripts.now()
    await scripts.enqueue("a", options=f",p7,w{now + 3_600_000},v9000000")
    await scripts.operate("cancel", "a", "{}")
    await scripts.operate("replay", "cdx", "a")
    (claim,) = await scripts.claim()

    # What a worker is told, and what stands in the run record.
    for header in (claim.blob.partition(b"\n")[0], (await scripts.record("a"))[10].encode()):
        assert set(read_header(header)) == {"e", "p"}
    assert claim.blob.endswith(b"\nspec")


async def test_a_replayed_job_still_tells_its_tick(scripts: Scripts) -> None:
    tick = await scripts.now() - 1000
    await scripts.enqueue("a", options=f",w{tick}")
    for _ in range(2):
        (claim,) = await scripts.claim()
        assert read_header(claim.blob.partition(b"\n")[0])["w"] == str(tick)
        await scripts.exchange(scripts.ended(claim, "d", "", "{}"), nonce=scripts.nonce)
        await scripts.operate("replay", "cdx", "a")


async def test_a_late_completion_of_the_last_generation_is_lost(scripts: Scripts) -> None:
    await scripts.enqueue("a", options=",d1")
    (claim,) = await scripts.claim()
    late = scripts.ended(claim, "c", "", b"late")
    await scripts.expire_lease("a")
    await scripts.exchange()
    await scripts.operate("replay", "cdx", "a")
    await scripts.claim()

    assert (await scripts.exchange(late)).lost == [b"a"]


@pytest.mark.corrupts
async def test_a_replay_without_a_spec_stops_nobody_elses(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    claims = await scripts.claim()
    await scripts.exchange(*(scripts.ended(claim, "d", "", "{}") for claim in claims))
    await scripts.raw.hdel(scripts.key("jobs"), "a")
    await scripts.operate("replay", "cdx", "a", "b")

    assert await scripts.claim_ids() == [b"b"]


async def test_what_waits_is_cancelled_at_once(scripts: Scripts) -> None:
    await one_of_each(scripts)
    was = [await scripts.operate("cancel", job, '{"type":"Cancel"}') for job in "qstb"]

    assert was == [b"q", b"s", b"t", b"b"]
    assert await scripts.run("states", *"qstb") == [b"x"] * 4
    assert await scripts.claim_ids() == []
    assert (await scripts.run("outcome", "q", ""))[1] == b'{"type":"Cancel"}'


async def test_a_suspect_is_cancelled_too(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    for _ in range(2):
        await scripts.claim()
        await scripts.expire_lease("a")
        await scripts.exchange()

    assert await scripts.operate("cancel", "a", "{}") == b"q"
    assert await scripts.raw.zcard(scripts.key("suspects")) == 0


async def test_a_running_job_is_marked_once(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.claim()
    for _ in range(2):
        assert await scripts.operate("cancel", "a", "{}") == b"r"

    assert (await scripts.record("a"))[10].count(",z") == 1
    assert await scripts.raw.hget(scripts.key("errors"), "a") == b"{}"


@pytest.mark.behaviour("F26")
async def test_a_cancellation_that_is_sent_again_is_answered_alike(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    await scripts.enqueue("c", options=",c0")
    (claim,) = await scripts.claim(1)
    calls = [(job * 32, job, '{"at":1}') for job in "abc"]
    first = [await scripts.run("cancel", *call) for call in calls]
    await scripts.exchange(scripts.ended(claim, "r"))
    assert await scripts.run("states", *"abc") == [b"x", b"x", b""]

    again = [await scripts.run("cancel", *call) for call in calls]
    other = [await scripts.operate("cancel", job, '{"at":2}') for job in "abc"]
    assert (first, again, other) == ([b"r", b"q", b"q"], [b"r", b"q", b"q"], [b"x", b"x", b""])
    assert await scripts.raw.hgetall(scripts.key("errors")) == {
        b"a": b'{"at":1}',
        b"b": b'{"at":1}',
    }
    # There may be many that waited, whose last error is enough.
    noted = set(await scripts.raw.hkeys(scripts.key("producers")))
    assert noted & {b"a" * 32, b"b" * 32, b"c" * 32} == {b"a" * 32, b"c" * 32}


async def test_a_finished_or_unknown_job_is_not_cancelled(scripts: Scripts) -> None:
    await one_of_each(scripts)
    before = await scripts.raw.hgetall(scripts.key("runs"))
    was = [await scripts.operate("cancel", job, "{}") for job in ("c", "d", "x", "unknown")]

    assert was == [b"c", b"d", b"x", b""]
    assert await scripts.raw.hgetall(scripts.key("runs")) == before


async def test_pausing_and_resuming_tell_whether_they_changed_anything(scripts: Scripts) -> None:
    changed = [await scripts.operate("pause", pause) for pause in (0, 1, 1, 0, 0)]

    assert changed == [0, 1, 0, 1, 0]
    kinds = [kind for _, entry in await scripts.raw.xrange(scripts.key("events")) for kind in entry]
    assert kinds == [b"paused", b"resumed"]


async def test_a_queue_with_running_jobs_is_not_destroyed_unless_forced(scripts: Scripts) -> None:
    await one_of_each(scripts)

    counts = await scripts.run("counts")
    assert await scripts.destroy(force=0) == [1, sum(counts[:3]) + counts[4]]
    assert await scripts.state("c") == "c"
    assert await scripts.destroy() == -1
    assert await scripts.raw.keys(f"*{{{scripts.store.queue}}}*") == []


async def test_nothing_that_a_worker_sends_brings_a_destroyed_queue_back(scripts: Scripts) -> None:
    await one_of_each(scripts)
    (claim,) = await scripts.claim()
    ended = scripts.ended(claim, "c", "", b"v")
    await scripts.destroy()
    reply = await scripts.exchange(ended, limit=5)
    await scripts.beat()
    await scripts.run("renew", scripts.incarnation, 2, "q", "1,ab 15000")
    await scripts.run("sweep", 250, 0, 0, 0, 0, 0)
    await scripts.run("leave", scripts.incarnation, "w1")

    assert not reply.exists
    assert await scripts.raw.keys(f"*{{{scripts.store.queue}}}*") == []


async def test_a_change_that_is_sent_again_says_what_it_said_first(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    before = await scripts.raw.hget(scripts.key("jobs"), "a")
    assert before is not None
    assert await scripts.run("change", "a", before, "new") == b"Q"
    (claim,) = await scripts.claim()
    assert await scripts.run("change", "a", before, "new") == b"R"
    assert await scripts.run("change", "a", before, "newer") == b"r"
    await scripts.exchange(scripts.ended(claim))

    assert await scripts.run("change", "a", before, "new") == b"C"
    assert await scripts.run("change", "a", before, "newer") == b"c"
