"""Limits: how many jobs of a queue, a task and a key start, and how fast, by the scripts alone."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
import pytest

from aiojobs_redis._redis.store import Claim
from tests.support.other_clock import CLOCK, clocked_scripts
from tests.support.scripts import Member, Scripts, token

START = 1_700_000_000_000


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with clocked_scripts():
        yield


class Clocked:
    """The scripts of a queue, by a clock that the test moves."""

    def __init__(self, scripts: Scripts) -> None:
        self.scripts = scripts
        self.now = START

    async def at(self, ms: int) -> None:
        self.now = START + ms
        await self.scripts.raw.set(CLOCK, self.now)


@pytest.fixture
async def clocked(scripts: Scripts) -> Clocked:
    clocked = Clocked(scripts)
    await clocked.at(0)
    return clocked


async def finish(
    scripts: Scripts,
    claim: Claim,
    nonce: str,
    code: str = "c",
    delay: int | str = "",
    limit: int = 0,
) -> list[bytes]:
    """End a job, and return what is claimed then."""
    what = "1" if code == "c" else f"{code} {delay} 1"
    member = Member(claim.id, token(claim, nonce), what, value="{}")
    return [each.id for each in (await scripts.exchange(member, limit=limit)).claims]


def spec(task: str) -> bytes:
    return msgspec.msgpack.encode([1, task, [[]]])


async def test_a_key_of_concurrency_1_keeps_its_order(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "k*", "1,,")
    await scripts.enqueue("a1", "a2", "a3", options=",ga")
    await scripts.enqueue("b1", "b2", options=",gb")
    started, nonce = await scripts.claim(), scripts.nonce
    assert [claim.id for claim in started] == [b"a1", b"b1"]
    assert [await scripts.state(job) for job in ("a2", "a3", "b2")] == ["b", "b", "b"]

    await finish(scripts, started[0], nonce)
    await scripts.enqueue("a4", options=",ga")
    assert await scripts.claim_ids() == [b"a2"]


async def test_a_job_that_failed_keeps_its_slot_and_one_that_is_snoozed_does_not(
    clocked: Clocked,
) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "ka", "1,,")
    await scripts.enqueue("a1", "a2", options=",ga")
    (first,) = await scripts.claim()
    await finish(scripts, first, scripts.nonce, "t", 500)
    assert await scripts.claim() == []

    await clocked.at(600)
    (first,) = await scripts.claim()
    assert (first.id, first.failures) == (b"a1", 1)
    await finish(scripts, first, scripts.nonce, "z", 500)
    assert await scripts.claim_ids() == [b"a2"]


@pytest.mark.parametrize("way", ["cancel", "expire", "die"])
async def test_a_slot_is_freed_by_whatever_ends_its_job(clocked: Clocked, way: str) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "k*", "1,,")
    await scripts.enqueue("a1", options=",ga")
    (first,), nonce = await scripts.claim(), scripts.nonce
    await scripts.enqueue("a2", options=",ga,d1,v5000")
    await scripts.enqueue("a3", options=",ga")
    await scripts.claim()
    # The second one is let out, and holds its slot while it waits for a worker.
    await finish(scripts, first, nonce)
    assert [await scripts.state(job) for job in ("a2", "a3")] == ["q", "b"]
    if way == "cancel":
        await scripts.operate("cancel", "a2", "{}")
    elif way == "expire":
        await clocked.at(6_000)
        assert await scripts.claim() == []
        assert await scripts.state("a2") == "d"
    else:
        await scripts.claim()
        await clocked.at(16_000)
        await scripts.meta(beat=clocked.now)
        await scripts.beat()

    assert await scripts.claim_ids() == [b"a3"]


async def test_a_task_is_limited_by_the_name_in_its_spec_or_in_its_header(clocked: Clocked) -> None:
    scripts = clocked.scripts
    long = "t" * 128
    for task in ("short", long):
        await scripts.run("limit", "t" + task, "1,,")
        await scripts.enqueue(f"{task[:5]}1", f"{task[:5]}2", spec=spec(task))
    await scripts.enqueue("n1", "n2", options=",ashort", spec=b"sealed")
    await scripts.enqueue("other", "another", spec=spec("free"))

    assert await scripts.claim_ids() == [b"short1", b"ttttt1", b"other", b"another"]


async def test_a_job_that_waits_for_its_task_holds_its_key_meanwhile(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "k*", "1,,")
    await scripts.run("limit", "tslow", "1,,")
    await scripts.enqueue("x", spec=spec("slow"))
    (held,), nonce = await scripts.claim(), scripts.nonce
    await scripts.enqueue("a1", options=",ga", spec=spec("slow"))
    await scripts.enqueue("a2", options=",ga", spec=spec("fast"))
    assert await scripts.claim() == []

    await finish(scripts, held, nonce)
    (first,) = await scripts.claim()
    assert first.id == b"a1"
    await finish(scripts, first, scripts.nonce)
    assert await scripts.claim_ids() == [b"a2"]


async def test_a_task_and_a_key_together_leave_other_tasks_and_keys_alone(
    clocked: Clocked,
) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "bslow/*", "1,,")
    await scripts.run("limit", "bslow/b", "2,,")
    await scripts.enqueue("plain-1", "plain-2", spec=spec("slow"))
    for key in "abc":
        await scripts.enqueue(
            *(f"{key}{n}" for n in range(3)), options=f",g{key}", spec=spec("slow")
        )
    await scripts.enqueue("quick-1", "quick-2", options=",ga", spec=spec("quick"))

    started = {id.decode() for id in await scripts.claim_ids()}
    free = {"plain-1", "plain-2", "quick-1", "quick-2"}
    assert started == free | {"a0", "b0", "b1", "c0"}
    await scripts.run("limit", "bslow/*", "")
    assert set(await scripts.claim_ids()) == {b"a1", b"a2", b"c1", b"c2"}


async def test_slots_are_taken_in_one_order_whichever_limit_is_reached(clocked: Clocked) -> None:
    scripts = clocked.scripts
    for scope in ("ka", "bslow/a", "tslow"):
        await scripts.run("limit", scope, "1,,")
    await scripts.enqueue("other", spec=spec("slow"))
    (other,), nonce = await scripts.claim(), scripts.nonce
    await scripts.enqueue("a1", "a2", options=",ga", spec=spec("slow"))
    await scripts.enqueue("a3", options=",ga", spec=spec("quick"))
    assert await scripts.claim() == []
    members = await scripts.raw.zrange(scripts.key("slots"), 0, -1)
    assert [m for m in members if m.endswith(b"a1")][:2] == [b"hbslow/a,a1", b"hka,a1"]

    assert await finish(scripts, other, nonce, limit=5) == [b"a1"]
    await scripts.run("limit", "ka", "")
    assert await scripts.claim_ids() == [b"a3"]
    assert await scripts.state("a2") == "b", "it waits for its task and key"


async def test_the_whole_queue_runs_so_many_at_once(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "q", "2,,")
    await scripts.enqueue("a", "b", "c")
    claims, nonce = await scripts.claim(), scripts.nonce
    assert [claim.id for claim in claims] == [b"a", b"b"]
    await scripts.raw.delete(scripts.key("wake"))
    assert await scripts.claim() == []
    assert not await scripts.raw.exists(scripts.key("wake")), "nobody is woken for nothing"

    assert await finish(scripts, claims[0], nonce, limit=5) == [b"c"]
    assert (await scripts.run("counts"))[2] == 0, "nothing is parked for the whole queue"


@pytest.mark.behaviour("T32")
@pytest.mark.parametrize("scope", ["q", "twork", "ka", "k*", "bwork/a", "bwork/*"])
@pytest.mark.parametrize(("count", "window"), [(1, 60), (5, 1_000), (20, 70_001)])
async def test_no_window_has_more_starts_than_its_rate_and_few_have_less(
    clocked: Clocked, scope: str, count: int, window: int
) -> None:
    """The first window too; claims come at random times, with room for more than the rate."""
    scripts, dice = clocked.scripts, random.Random(window)
    await scripts.run("limit", scope, f",{count},{window}")
    total = 6 * count
    await scripts.enqueue(*(f"j{n:03}" for n in range(total)), options=",ga", spec=spec("work"))
    starts: list[int] = []
    at = 0
    while len(starts) < total:
        reply = await scripts.exchange(limit=dice.randint(1, count + 3))
        starts += [at] * len(reply.claims)
        if dice.random() < 0.5 and reply.due_at and reply.due_at > clocked.now:
            at = reply.due_at - START
        else:
            at += dice.randint(1, window // 3)
        await clocked.at(at)
        assert at < 20 * window, f"{len(starts)} of {total} have started"

    within = [sum(each <= start < each + window for start in starts) for each in starts]
    assert max(within) <= count
    assert starts[-1] <= 6 * window * 1.5


async def test_a_full_window_for_which_nobody_waits_is_not_looked_at_again(
    clocked: Clocked,
) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "k*", ",1,1000")
    await scripts.enqueue("a", options=",ga")
    await scripts.enqueue("b", options=",gb")
    await scripts.enqueue("later", options=",gb")
    await scripts.raw.delete(scripts.key("opens"))
    assert await scripts.claim_ids() == [b"a", b"b"]
    assert await scripts.raw.zrange(scripts.key("opens"), 0, -1) == [b"kb"]


async def test_a_scope_is_opened_once_a_call_for_whatever_reasons(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "k*", ",1,60")
    await scripts.enqueue("a1", "a2", "a3", options=",ga")
    assert await scripts.claim_ids() == [b"a1"]
    await clocked.at(1000)
    await scripts.run("sweep", 10, 0, 0, 0, 0, 0)
    assert await scripts.raw.zrange(scripts.key("opens"), 0, -1) == [b"ka", b"*"]

    await scripts.exchange()
    assert [await scripts.state(job) for job in ("a2", "a3")] == ["q", "b"]


async def test_a_window_that_opens_is_told_as_the_next_due_time(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "ka", ",2,1000")
    await scripts.enqueue("a1", "a2", "a3", options=",ga")
    reply = await scripts.exchange(limit=10)
    assert [claim.id for claim in reply.claims] == [b"a1", b"a2"]
    assert reply.due_at is not None
    assert START + 1000 <= reply.due_at <= START + 1020

    await clocked.at(reply.due_at - START - 1)
    assert await scripts.claim() == []
    await clocked.at(reply.due_at - START)
    assert await scripts.claim_ids() == [b"a3"]


@pytest.mark.behaviour("T32")
@pytest.mark.parametrize("scope", ["q", "k*", "ka", "bwork/a", "bwork/*"])
async def test_a_limit_that_is_taken_away_or_raised_frees_at_once(
    clocked: Clocked, scope: str
) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", scope, "1,1,60000")
    await scripts.enqueue(*(f"a{n}" for n in range(6)), options=",ga", spec=spec("work"))
    assert len(await scripts.claim()) == 1
    await scripts.run("limit", scope, "3,3,60000")
    assert len(await scripts.claim()) == 2
    await scripts.run("limit", scope, "")
    assert len(await scripts.claim()) == 3


@pytest.mark.behaviour("T34")
async def test_delayed_jobs_fall_due_while_their_key_is_limited(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "k*", ",1,60000")
    await scripts.enqueue("a1", options=",ga")
    await scripts.enqueue("later", options=",gb,y500")
    assert await scripts.claim_ids() == [b"a1"]
    await clocked.at(500)

    assert await scripts.claim_ids() == [b"later"]


async def commands(scripts: Scripts) -> int:
    """Return how many commands the server has carried out, those of scripts included."""
    stats = await scripts.raw.info("commandstats")
    return sum(each["calls"] for each in stats.values())


async def test_ten_thousand_parked_jobs_cost_the_others_nothing(
    clocked: Clocked, server_url: str
) -> None:
    scripts = clocked.scripts
    # What is in memory is the same at every size, slow, and not counted.
    in_memory = server_url.startswith("memory")
    number = 1_000 if in_memory else 10_000
    await scripts.run("limit", "ka", "1,,")
    spent = []
    for first, last in ((0, 10), (10, number)):
        for at in range(first, last, 250):
            names = (f"a{n:05}" for n in range(at, min(at + 250, last)))
            await scripts.enqueue(*names, options=",ga")
        if first == 0:
            assert await scripts.claim_ids(1) == [b"a00000"]
        while await scripts.raw.zcard(scripts.key("ready")):
            assert await scripts.claim(1) == []
        others = [f"b{last}-{n:02}" for n in range(20)]
        await scripts.enqueue(*others, options=",gb")
        before = 0 if in_memory else await commands(scripts)

        assert [await scripts.claim_ids(1) for _ in others] == [[job.encode()] for job in others]
        spent.append(0 if in_memory else (await commands(scripts) - before) / len(others))
        assert await scripts.raw.zcard(scripts.key("blocked")) == last - 1
    assert abs(spent[1] - spent[0]) <= 1, (
        f"commands a claim with 10 parked and with {number}: {spent}"
    )
    # All of them at once, a few a call.
    await scripts.run("limit", "ka", "")
    for _ in range(number // 250 + 5):
        await scripts.exchange(limit=0)
    assert await scripts.raw.zcard(scripts.key("ready")) == number - 1
    await scripts.raw.delete(*scripts.store.keys.values())


async def test_keys_that_come_once_leave_no_windows(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "k*", ",5,1000")
    for number in range(300):
        await clocked.at(100 * number)
        await scripts.enqueue(f"j{number}", options=f",gonce{number}")
        await scripts.claim(1)

    assert await scripts.raw.hlen(scripts.key("starts")) < 60
    await clocked.at(100 * 300 + 2_000)
    await scripts.run("sweep", 10, 0, 0, 0, 0, 0)
    assert await scripts.raw.hlen(scripts.key("starts")) == 0, "the last ones too"


@pytest.mark.parametrize("back", [500, 3_600_000])
async def test_a_clock_that_is_set_back_closes_a_window_for_twice_its_length_at_most(
    clocked: Clocked, back: int
) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "ka", ",1,1000")
    await scripts.enqueue("a1", "a2", options=",ga")
    assert len(await scripts.claim()) == 1
    await clocked.at(2_000 - back)
    # The leader's round, every ten seconds.
    await scripts.run("sweep", 10, 0, 0, 0, 0, 0)

    assert await scripts.claim_ids() == [b"a2"]


async def test_nothing_is_left_of_limits_that_were_taken_away(clocked: Clocked) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "ka", "1,5,100")
    await scripts.enqueue("a1", "a2", options=",ga")
    (first,) = await scripts.claim()
    await scripts.run("limit", "ka", "")
    await finish(scripts, first, scripts.nonce, limit=1)
    await scripts.run("sweep", 10, 0, 0, 0, 0, 0)

    assert not await scripts.raw.hexists(scripts.key("meta"), "limits")
    assert not await scripts.raw.exists(
        *(scripts.key(name) for name in ("limits", "slots", "opens"))
    )


@pytest.mark.parametrize("scope", ["q", "k"])
async def test_what_brings_the_first_limit_of_a_queue_claims_nothing_and_rings(
    clocked: Clocked, scope: str
) -> None:
    scripts = clocked.scripts
    await scripts.enqueue("a1", "a2", options=",ga")
    await scripts.enqueue("b1", options=",gb")
    (first,) = await scripts.claim(1)
    member = Member(first.id, token(first, scripts.nonce), "l 500 1", value=scope)
    await scripts.raw.delete(scripts.key("wake"))

    assert (await scripts.exchange(member, limit=3)).claims == []
    assert await scripts.raw.exists(scripts.key("wake"))
    assert await scripts.claim_ids() == ([] if scope == "q" else [b"b1"])
    await clocked.at(600)
    assert len(await scripts.claim_ids()) == (3 if scope == "q" else 2)


async def test_a_key_whose_jobs_are_all_held_back_keeps_its_order_over_a_sweep(
    clocked: Clocked,
) -> None:
    scripts = clocked.scripts
    await scripts.run("limit", "k*", "1,,")
    await scripts.enqueue(*(f"a{number}" for number in range(6)), options=",ga")
    await scripts.enqueue("b0", "b1", options=",gb")
    claims, nonce = await scripts.claim(), scripts.nonce
    assert [claim.id for claim in claims] == [b"a0", b"b0"]
    # Nothing is in ready: what waits is held back. Then one of a low place is at its head.
    await scripts.run("sweep", 10, 0, 0, 0, 0, 0)
    await finish(scripts, claims[1], nonce)
    await scripts.enqueue("a6", options=",ga")

    started = []
    claim = claims[0]
    for _ in range(6):
        await finish(scripts, claim, nonce)
        (claim,), nonce = (
            [each for each in await scripts.claim() if each.id[:1] == b"a"],
            scripts.nonce,
        )
        started.append(claim.id)
    assert started == [b"a1", b"a2", b"a3", b"a4", b"a5", b"a6"]
