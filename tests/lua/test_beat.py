"""beat.lua, leave.lua, registry.lua: who is alive, who leads, when a lease may be taken away."""

from __future__ import annotations

import pytest

from tests.support.scripts import Scripts

OTHER = "b" * 32


async def test_a_later_beat_on_a_queue_that_does_not_exist_writes_nothing(scripts: Scripts) -> None:
    beat = await scripts.beat()

    assert not beat.exists
    assert not beat.leads
    assert await scripts.raw.keys(f"*{{{scripts.store.queue}}}*") == []


async def test_a_first_beat_makes_the_queue_exist_and_shows_the_worker(scripts: Scripts) -> None:
    beat = await scripts.beat(first=True)
    name, _, _ = await scripts.run("registry")

    assert (beat.exists, beat.leads, name) == (True, True, b"w1")
    assert (await scripts.run("counts"))[8] == 1
    assert await scripts.enqueue("a") == [b"OK", b"1"]
    assert await scripts.claim_ids() == [b"a"]


async def test_the_first_to_beat_leads_and_keeps_the_lead(scripts: Scripts) -> None:
    await scripts.enqueue("a")

    leads = [(await scripts.beat(who)).leads for who in (None, OTHER, None, OTHER)]
    assert leads == [True, False, True, False]


async def test_another_leads_once_the_leaders_lease_has_run_out(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.beat()
    await scripts.meta(leader_until=await scripts.now() - 1)

    assert (await scripts.beat(OTHER)).leads
    assert not (await scripts.beat()).leads


async def test_a_leader_that_stops_gives_up_the_lead_and_is_seen_on(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.beat()
    last = await scripts.beat(lead_ms=0)

    assert not last.leads
    assert (await scripts.beat(OTHER)).leads
    assert not (await scripts.beat(lead_ms=0)).leads
    assert (await scripts.beat(OTHER)).leads
    assert len(await scripts.run("registry")) == 3


async def test_another_leads_once_the_leader_has_left(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.beat()
    await scripts.run("leave", OTHER, "w2")
    kept = (await scripts.beat(OTHER)).leads
    assert await scripts.run("leave", scripts.incarnation, "w1") == 1

    assert not kept
    assert (await scripts.beat(OTHER)).leads


async def test_what_a_worker_sent_before_it_left_comes_too_late_after(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.exchange(limit=0)
    await scripts.run("leave", scripts.incarnation, "w1")
    with pytest.raises(RuntimeError, match="after a later one"):
        await scripts.claim()

    assert await scripts.state("a") == "q"


async def test_a_worker_that_leaves_sets_the_markers_again(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.claim()
    await scripts.beat()
    await scripts.raw.delete(scripts.key("wake"), scripts.key("due"))
    await scripts.run("leave", scripts.incarnation, "w1")

    assert await scripts.raw.exists(scripts.key("wake"), scripts.key("due")) == 2
    assert await scripts.raw.hvals(scripts.key("workers")) == []
    assert await scripts.run("registry") == []


async def test_leaving_a_queue_that_does_not_exist_writes_nothing(scripts: Scripts) -> None:
    assert await scripts.run("leave", scripts.incarnation, "w1") == 0
    assert await scripts.raw.keys(f"*{{{scripts.store.queue}}}*") == []


async def test_the_registry_shows_workers_and_when_they_were_seen(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.run("beat", OTHER, "w2", '{"pid":1,"x":2}', 3000, "", "", 0)
    name, text, word = await scripts.run("registry")
    seen, _, info = text.partition(b",")

    assert (name, word) == (b"w2", b"")
    assert info == b'{"pid":1,"x":2}'
    assert abs(int(seen) - await scripts.now()) < 10_000


async def test_only_the_leader_moves_what_is_due_100_a_beat(scripts: Scripts) -> None:
    names = [f"{number:03}" for number in range(300)]
    await scripts.enqueue(*names[:250], options=",y60000")
    await scripts.enqueue(*names[250:], options=",y60000")
    await scripts.beat()
    for name in names:
        await scripts.make_due("scheduled", name)
    await scripts.beat(OTHER)
    sizes = [await scripts.raw.zcard(scripts.key("ready"))]
    for _ in range(2):
        await scripts.beat()
        sizes.append(await scripts.raw.zcard(scripts.key("ready")))

    assert sizes == [0, 100, 200]


async def test_what_is_due_becomes_ready_by_due_time_then_enqueue_order(scripts: Scripts) -> None:
    await scripts.enqueue("b", "a", "c", options=",y60000")
    await scripts.enqueue("high", options=",y60000,p5")
    now = await scripts.now()
    due = {"b": now - 5, "a": now - 5, "c": now - 9, "high": now - 1}
    await scripts.raw.zadd(scripts.key("scheduled"), due)
    await scripts.beat()

    assert await scripts.claim_ids() == [b"high", b"c", b"b", b"a"]


async def test_retries_of_one_millisecond_become_ready_in_the_order_of_their_index(
    scripts: Scripts,
) -> None:
    # Enough for a sort that does not keep the order of equal ones.
    names = [f"{number:02}" for number in range(40)]
    await scripts.enqueue(*names)
    claims = await scripts.claim()
    await scripts.exchange(
        *(scripts.ended(claim, "t", 60_000, "{}") for claim in claims), nonce=scripts.nonce
    )
    now = await scripts.now()
    await scripts.raw.zadd(scripts.key("retrying"), dict.fromkeys(names, now - 5))

    assert await scripts.claim_ids() == [name.encode() for name in names]


async def test_a_beat_tells_what_comes_next(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.enqueue("b", options=",y60000")
    first = await scripts.beat()
    await scripts.run("schedule", "s", "ab", "", first.now + 90_000, first.now, 0, "x")
    await scripts.claim()
    second = await scripts.beat()

    assert (first.claimable, first.tick_at) == (True, None)
    assert first.due_at == second.due_at
    assert abs(first.due_at - first.now - 60_000) < 10_000
    assert (second.claimable, second.tick_at) == (False, first.now + 90_000)


async def test_a_lease_that_ran_out_is_taken_back_by_the_leader_only(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.claim()
    await scripts.beat()
    await scripts.expire_lease("a")
    await scripts.beat(OTHER)
    before = await scripts.state("a")
    await scripts.beat()

    assert (before, await scripts.state("a")) == ("r", "q")
    assert (await scripts.record("a"))[6] == "1"


async def test_after_a_silence_nothing_is_taken_back_for_four_seconds(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.claim()
    await scripts.expire_lease("a")
    await scripts.meta(beat=await scripts.now() - 3100)
    await scripts.beat()
    await scripts.exchange()
    hold = int(await scripts.raw.hget(scripts.key("meta"), "hold"))
    held = await scripts.state("a")
    await scripts.meta(hold=await scripts.now() - 1)
    await scripts.beat()

    assert held == "r"
    assert 3000 < hold - await scripts.now() <= 4000
    assert await scripts.state("a") == "q"


async def test_the_wait_after_a_silence_counts_for_leases_that_run_out_during_it(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("a")
    await scripts.claim()
    await scripts.meta(beat=await scripts.now() - 3100)
    await scripts.beat()
    await scripts.raw.zadd(scripts.key("leases"), {"a": await scripts.now() - 1})
    await scripts.beat()

    assert await scripts.state("a") == "r"


async def test_a_silence_without_leases_holds_nothing_up(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.meta(beat=await scripts.now() - 60_000)
    await scripts.beat()
    await scripts.claim()
    await scripts.raw.zadd(scripts.key("leases"), {"a": await scripts.now() - 1})
    await scripts.beat()

    assert await scripts.state("a") == "q"


async def test_an_expired_job_that_was_to_be_cancelled_is_cancelled(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.claim()
    await scripts.operate("cancel", "a", "{}")
    await scripts.expire_lease("a")
    await scripts.beat()

    assert await scripts.state("a") == "x"


async def test_parked_tasks_are_named_20_at_most(scripts: Scripts) -> None:
    tasks = ["t", "t-1", "t.1", "t:1", *(f"task{number:02}" for number in range(20))]
    names = [f"job{number}" for number in range(len(tasks))]
    await scripts.enqueue(*names, "twin")
    claims = await scripts.claim()
    await scripts.exchange(
        *(scripts.ended(claim, "b", "", task) for claim, task in zip(claims, tasks, strict=False)),
        scripts.ended(claims[-1], "b", "", "t"),
    )

    assert set((await scripts.beat()).parked) <= set(tasks)
    assert len((await scripts.beat()).parked) == 20
    assert {"t", "t-1", "t.1", "t:1"} <= set((await scripts.beat()).parked)


@pytest.mark.corrupts
async def test_a_lease_without_a_record_is_dropped(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await scripts.claim()
    await scripts.raw.hset(scripts.key("runs"), "a", "nonsense")
    await scripts.expire_lease("a")
    await scripts.beat()

    assert await scripts.raw.zcard(scripts.key("leases")) == 0
    assert await scripts.raw.hlen(scripts.key("runs")) == 0


async def test_parked_tasks_beyond_a_page_are_named_by_the_next_beat(scripts: Scripts) -> None:
    ids = [f"j{number:02}" for number in range(25)]
    await scripts.enqueue(*ids)
    claims = await scripts.claim(25)
    await scripts.exchange(
        *(scripts.ended(claim, "b", "", f"t{number:02}") for number, claim in enumerate(claims))
    )

    first = (await scripts.run("beat", OTHER, "w2", "{}", 3000, "", "", 0))[6]
    second = (await scripts.run("beat", OTHER, "w2", "{}", 3000, first[-1], "", 0))[6]

    assert [name.decode() for name in (*first, *second)] == [f"t{n:02}" for n in range(25)]


@pytest.mark.corrupts
@pytest.mark.behaviour("F7")
@pytest.mark.parametrize("damage", ["queued", "without a place"])
async def test_a_lease_of_a_damaged_job_takes_no_other_along(scripts: Scripts, damage: str) -> None:
    await scripts.enqueue("sound", "broken")
    await scripts.claim(2 if damage == "without a place" else 1)
    if damage == "without a place":
        state, fence, nonce, _, *rest = await scripts.record("broken")
        damaged = ",".join([state, fence, nonce, "", *rest])
        await scripts.raw.hset(scripts.key("runs"), "broken", damaged)
    else:
        await scripts.raw.hset(scripts.key("runs"), "broken", "q,,,,1,0,0,,,,e0000000a")
    for job in ("broken", "sound"):
        await scripts.expire_lease(job)
    await scripts.beat()

    assert await scripts.raw.zcard(scripts.key("leases")) == 0
    assert await scripts.state("sound") == await scripts.state("broken") == "q"
    assert {b"sound", b"broken"} == set(await scripts.claim_ids())
