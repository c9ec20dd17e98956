"""Waiting jobs gain priority where the queue is told so, by the scripts alone."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.support.other_clock import START, at
from tests.support.scripts import Member, Scripts, token

pytestmark = pytest.mark.usefixtures("stopped_clock")
LEVEL = 1_000
BAND = 2**42


@pytest.fixture
async def aged(scripts: Scripts) -> Scripts:
    await at(scripts, 0)
    await scripts.operate("age", LEVEL)
    return scripts


async def test_a_job_rises_when_it_has_waited_for_the_distance_and_not_before(
    aged: Scripts,
) -> None:
    await aged.enqueue("low", options=",p-2")
    await at(aged, 500)
    await aged.enqueue("high-1", options=",p1")
    for ms in (2_400, 2_999):
        await at(aged, ms)
        await aged.enqueue(f"high-{ms}", options=",p1")
    assert await aged.claim_ids(1) == [b"high-1"]

    await at(aged, 3_000)
    assert await aged.claim_ids(3) == [b"low", b"high-2400", b"high-2999"]


async def test_no_job_waits_for_longer_than_its_distance_while_higher_ones_never_end(
    aged: Scripts,
) -> None:
    """Each second brings as many jobs of a high priority as there is room for."""
    await aged.enqueue("low-1", "low-2", "low-3", options=",p-5")
    started: dict[bytes, int] = {}
    for second in range(12):
        await at(aged, 1_000 * second)
        await aged.enqueue(*(f"high-{second}-{n}" for n in range(3)))
        for id in await aged.claim_ids(3):
            started[id] = second
    low = [started.get(f"low-{n}".encode()) for n in (1, 2, 3)]

    # Those that came before five seconds were over go first: there are none left of them.
    assert low == [5, 5, 5]
    assert started[b"high-5-0"] == 6


async def test_who_has_risen_rises_further_by_its_own_priority(aged: Scripts) -> None:
    await aged.enqueue("low", options=",p-3")
    await at(aged, 2 * LEVEL)
    await aged.enqueue("middle-1", "middle-2", options=",p-1")
    (low,) = await aged.claim(1)
    await aged.exchange(aged.ended(low, "r"))
    await aged.enqueue("high-1", "high-2", "high-3")
    assert await aged.claim_ids(1) == [b"high-1"]
    await at(aged, 3 * LEVEL - 1)
    assert await aged.claim_ids(1) == [b"high-2"]
    await at(aged, 3 * LEVEL)
    assert await aged.claim_ids(3) == [b"low", b"middle-1", b"middle-2"]


async def test_without_ageing_a_low_priority_starves(scripts: Scripts) -> None:
    await at(scripts, 0)
    await scripts.operate("age", LEVEL)
    assert await scripts.operate("age", "") == 1
    assert await scripts.operate("age", "") == 0
    await scripts.enqueue("low", options=",p-1")
    for second in range(5):
        await at(scripts, 1_000 * second)
        await scripts.enqueue(f"high-{second}")
        assert await scripts.claim_ids(1) == [b"high-%d" % second]


async def test_who_has_risen_keeps_its_place_when_it_is_handed_back(aged: Scripts) -> None:
    await aged.enqueue("low", options=",p-1")
    await at(aged, LEVEL)
    await aged.enqueue("high-1", "high-2")
    (low,), nonce = await aged.claim(1), aged.nonce
    assert low.id == b"low"
    await aged.exchange(Member("low", token(low, nonce), "r  1"))

    await aged.operate("age", "")
    assert await aged.claim_ids(3) == [b"low", b"high-1", b"high-2"]


async def test_a_job_waits_from_its_enqueue_or_from_when_it_was_due(aged: Scripts) -> None:
    await aged.enqueue("later", options=",p-1,y900")
    await aged.enqueue("failed", options=",p-1")
    (failed,), nonce = await aged.claim(1), aged.nonce
    await at(aged, 500)
    await aged.exchange(
        Member("failed", token(failed, nonce), "t 100 1", value='{"type":"E","at":0}')
    )
    await at(aged, 999)
    await aged.exchange()
    await aged.enqueue(*(f"high-{n}" for n in range(5)))
    assert await aged.claim_ids(1) == [b"high-0"]
    await at(aged, 1_000)
    assert await aged.claim_ids(1) == [b"failed"]
    await at(aged, 1_899)
    assert await aged.claim_ids(1) == [b"high-1"]
    await at(aged, 1_900)
    assert await aged.claim_ids(1) == [b"later"]


async def test_suspects_rise_too(aged: Scripts) -> None:
    await aged.operate("age", 50_000)
    await aged.enqueue("low", options=",p-1")
    for lost in (1, 2):
        assert await aged.claim_ids(1) == [b"low"]
        await at(aged, 20_000 * lost)
        await aged.meta(beat=START + 20_000 * lost, hold=0)
        await aged.exchange()
    await aged.enqueue(*(f"high-{n}" for n in range(5)))
    await at(aged, 49_999)
    assert await aged.claim_ids(1) == [b"high-0"]
    await at(aged, 50_000)
    assert await aged.claim_ids(1) == [b"low"]


async def test_keys_keep_their_order_and_their_turns(aged: Scripts) -> None:
    await aged.enqueue(*(f"a{n}" for n in range(4)), options=",p-1,ga")
    await aged.enqueue("b0", options=",p-1,gb")
    await at(aged, LEVEL)
    await aged.enqueue("a-high", options=",ga")
    await aged.enqueue("high")

    order = [(await aged.claim_ids(1))[0].decode() for _ in range(7)]
    assert [id for id in order if id[0] == "a" and id != "a-high"] == ["a0", "a1", "a2", "a3"]
    assert order.index("b0") < order.index("a2")


async def test_of_many_priorities_each_is_looked_at_in_turn(aged: Scripts) -> None:
    for priority in range(80):
        await aged.enqueue(f"at-{priority}", options=f",p{priority - 100}")
    await at(aged, 70 * LEVEL)
    claimed = [(await aged.claim_ids(1))[0].decode() for _ in range(80)]

    # A claim looks at 32 of them; the last nine have not waited for seventy levels and more.
    assert claimed[:3] == ["at-47", "at-15", "at-9"]
    assert set(claimed[-9:]) == {f"at-{n}" for n in range(9)}
    assert not await aged.raw.hexists(aged.key("meta"), "aged")


async def test_a_job_behind_many_priorities_that_came_later_is_looked_at(aged: Scripts) -> None:
    await aged.enqueue("low", options=",p-50")
    await at(aged, 50 * LEVEL)
    for priority in range(1, 41):
        await aged.enqueue(f"at-{priority}", options=f",p-{priority}")
    await aged.enqueue("high-1", "high-2")

    assert await aged.claim_ids(1) == [b"high-1"]
    assert await aged.raw.hexists(aged.key("meta"), "aged")
    assert await aged.claim_ids(1) == [b"low"]


async def test_a_claim_that_nobody_may_have_lifts_nobody(aged: Scripts) -> None:
    await aged.enqueue("low", options=",p-1")
    await aged.enqueue("high")
    await at(aged, 2 * LEVEL)
    before = await aged.raw.zrange(aged.key("ready"), 0, -1, withscores=True)
    await aged.operate("pause", 1)
    await aged.claim()
    await aged.operate("pause", 0)
    await aged.exchange(limit=0)
    assert await aged.raw.zrange(aged.key("ready"), 0, -1, withscores=True) == before


async def test_large_specs_are_read_a_few_a_claim_and_all_rise_in_their_turn(aged: Scripts) -> None:
    large = b"x" * 600_000
    for priority in (-1, -2, -3):
        await aged.enqueue(
            *(f"{priority}-{n}" for n in range(3)), options=f",p{priority}", spec=large
        )
    await at(aged, 3 * LEVEL)
    await aged.enqueue(*(f"high-{n}" for n in range(20)))

    async def risen() -> int:
        scores = await aged.raw.zrange(aged.key("ready"), 0, -1, withscores=True)
        return sum(score < 1024 * 2**42 and not id.startswith(b"high") for id, score in scores)

    seen, claimed = [0], []
    for _ in range(12):
        claimed += await aged.claim_ids(1)
        seen.append(await risen() + sum(not id.startswith(b"high") for id in claimed))
    assert max(after - before for before, after in pairwise(seen)) <= 3
    assert seen[-1] == 9
    assert len(claimed) == 12


async def risen(scripts: Scripts) -> list[str]:
    """Return who has risen above priority -1 and waits there, in the order of claims."""
    found = await scripts.raw.zrange(scripts.key("ready"), "-inf", 1024 * BAND - 1, byscore=True)
    return [id.decode() for id in found if not id.startswith(b"high")]


async def place(scripts: Scripts, id: str) -> int:
    """Return the place of a job inside its band."""
    return int(await scripts.raw.zscore(scripts.key("ready"), id)) % BAND


async def a_key_and_later_keys(aged: Scripts) -> None:
    """Four jobs of a key wait, then thirty keys come with one each, then jobs of a priority more.

    The later keys stand with the second of the four, so that two are behind them all.
    """
    for n in range(4):
        await aged.enqueue(f"a{n}", options=",p-1,ga")
    await at(aged, LEVEL // 2)
    for n in range(30):
        await aged.enqueue(f"n{n:02}", options=f",p-1,gn{n:02}")
    await aged.enqueue(*(f"high-{n:02}" for n in range(90)))
    order = await aged.raw.zrange(aged.key("ready"), 0, -1)
    assert order.index(b"a2") - order.index(b"a1") == 31


async def test_a_key_rises_with_all_its_jobs_though_later_keys_stand_before_them(
    aged: Scripts,
) -> None:
    await a_key_and_later_keys(aged)
    await at(aged, LEVEL)
    claimed = [(await aged.claim_ids(1))[0].decode() for _ in range(8)]

    # As if they had come with the others, one a turn: the fourth claim has looked at all 34.
    assert claimed[::2] == ["a0", "a1", "a2", "a3"]
    assert claimed[1::2] == [f"high-{n:02}" for n in range(4)]
    assert await risen(aged) == []


async def test_a_round_goes_on_where_the_claim_before_it_has_come_to(aged: Scripts) -> None:
    await a_key_and_later_keys(aged)
    seen = []
    for _ in range(5):
        await aged.claim_ids(1)
        seen.append(await aged.raw.hget(aged.key("meta"), "aged_from"))

    assert [text and text.rpartition(b" ")[2] for text in seen] == [
        *(b"n07", b"n17", b"n27", None),
        b"n07",
    ]


async def test_where_the_last_one_has_gone_all_with_its_place_are_looked_at_again(
    aged: Scripts,
) -> None:
    await a_key_and_later_keys(aged)
    for _ in range(2):
        await aged.claim_ids(1)
    await aged.operate("remove", "q", 0, "n17")
    await aged.claim_ids(1)
    text = await aged.raw.hget(aged.key("meta"), "aged_from")
    assert text.rpartition(b" ")[2] == b"n08", "the place before that of a1 and n00 is that of a0"


async def test_a_round_goes_on_behind_the_last_one_that_has_not_risen(aged: Scripts) -> None:
    await aged.enqueue("a0", "a1", options=",p-1,ga")
    await aged.enqueue("n18x", options=",p-1,gx")
    await at(aged, LEVEL // 2)
    for n in range(30):
        await aged.enqueue(f"n{n:02}", options=f",p-1,gn{n:02}")
    await aged.enqueue(*(f"high-{n:02}" for n in range(90)))
    await at(aged, LEVEL)
    for _ in range(2):
        await aged.claim_ids(1)
    text = await aged.raw.hget(aged.key("meta"), "aged_from")
    assert text.rpartition(b" ")[2] == b"n18"
    assert await aged.raw.zscore(aged.key("ready"), "n18x") < 1024 * BAND


async def test_the_jobs_of_a_key_rise_in_their_order_while_the_clock_goes_on(aged: Scripts) -> None:
    """The third is too young where a claim looks at it, the fourth is not where the next one does.

    Twelve keys, which come later, have a job before the third, one before the fourth, and one more.
    """
    for n in range(4):
        await at(aged, n)
        await aged.enqueue(f"a{n}", options=",p-1,ga")
    await at(aged, LEVEL // 2)
    for n in range(12):
        await aged.enqueue(*(f"f{n:02}-{m}" for m in range(3)), options=f",p-1,gf{n:02}")
    await aged.enqueue(*(f"high-{n:02}" for n in range(40)))

    started: list[str] = []
    for ms in (LEVEL, LEVEL + 1, *range(LEVEL + 3, LEVEL + 20)):
        await at(aged, ms)
        started += [id.decode() for id in await aged.claim_ids(1) if id.startswith(b"a")]
        rose = started + await risen(aged)
        assert rose == [f"a{n}" for n in range(len(rose))]
    assert len(rose) == 4


@pytest.mark.parametrize("way", ["handed back", "lost", "let out"])
async def test_who_comes_back_behind_a_round_rises_before_the_later_ones_of_its_key(
    aged: Scripts, way: str
) -> None:
    level, slow = 100_000, b"\x93\x01\xa4slow\x91\x90"
    await aged.operate("age", level)
    await aged.enqueue("z0", "z1", options=",p-1,gz", spec=slow)
    for n in range(12):
        await aged.enqueue(f"n{n:02}", options=f",p-1,gn{n:02}", spec=slow)
    await at(aged, 90_000)
    if way == "let out":
        await aged.run("limit", "tslow", "1,,")
    assert await aged.claim_ids(1) == [b"z0"]
    held, nonce = await aged.claim(13), aged.nonce
    assert [claim.id for claim in held[-1:]] == ([] if way == "let out" else [b"z1"])

    # The second of the later ones is behind keys that are too young.
    await at(aged, 1)
    await aged.enqueue("z2", "z3", options=",p-1,gz")
    await at(aged, 90_000)
    for n in range(25):
        await aged.enqueue(f"y{n:02}", options=f",p-1,gy{n:02}")
    await aged.enqueue(*(f"high-{n:02}" for n in range(90)))
    await at(aged, level + 1)
    for _ in range(2):
        await aged.claim_ids(1)
    assert "z3" not in await risen(aged)

    if way == "handed back":
        await aged.exchange(*(Member(one.id, token(one, nonce), "r  1") for one in held))
    elif way == "lost":
        await at(aged, 105_001)
        await aged.meta(beat=START + 105_001, hold=0)
    else:
        await aged.run("limit", "tslow", "50,,")
    claimed = [id.decode() for id in await aged.claim_ids(1)]
    order = claimed + await risen(aged)
    assert order.index("z1") < order.index("z3")


async def test_another_level_lets_a_round_begin_anew(aged: Scripts) -> None:
    await a_key_and_later_keys(aged)
    await aged.claim_ids(1)
    assert await aged.raw.hexists(aged.key("meta"), "aged_from")
    await aged.operate("age", LEVEL - 1)
    assert not await aged.raw.hexists(aged.key("meta"), "aged_from")


async def test_who_rises_from_behind_keeps_its_own_key_behind_it_and_no_other(
    aged: Scripts,
) -> None:
    await a_key_and_later_keys(aged)
    await aged.enqueue(*(f"b{n}" for n in range(9)), options=",p-1,gb")
    last = await place(aged, "a3")
    await at(aged, LEVEL)
    claimed = [id for _ in range(8) for id in await aged.claim_ids(1)]
    assert b"a3" in claimed

    # A job that goes without having run lets its key stand behind what is left of it there.
    await aged.enqueue("a4", options=",p-1,ga")
    await aged.operate("remove", "q", 0, "a4")
    assert await aged.run("forgive", 250) == 0
    await aged.enqueue("a5", options=",p-1,ga")
    await aged.enqueue("new", options=",p-1,gnew")
    assert await place(aged, "a5") == last + 1
    assert await place(aged, "new") == await place(aged, "b1")


async def test_large_specs_behind_the_first_ones_are_looked_at_too(aged: Scripts) -> None:
    large = b"x" * 600_000
    await aged.enqueue("a0", "a1", "a2", options=",p-1,ga", spec=large)
    await at(aged, LEVEL // 2)
    await aged.enqueue("n0", "n1", options=",p-1,gn", spec=large)
    await aged.enqueue(*(f"high-{n:02}" for n in range(30)))
    await at(aged, LEVEL)
    started = [id.decode() for _ in range(12) for id in await aged.claim_ids(1)]
    assert [id for id in started if id[0] != "h"] == ["a0", "a1", "a2"]


async def test_without_keys_nothing_goes_round(aged: Scripts) -> None:
    await aged.enqueue(*(f"low-{n}" for n in range(30)), options=",p-1")
    await aged.enqueue(*(f"high-{n}" for n in range(30)))
    await aged.claim_ids(1)
    assert not await aged.raw.hexists(aged.key("meta"), "aged_from")


@pytest.mark.parametrize("scope", ["ka", "bslow/a"])
async def test_one_that_has_risen_waits_for_its_key_behind_those_that_came_before(
    aged: Scripts, scope: str
) -> None:
    await aged.run("limit", scope, "1,,")
    await aged.enqueue("a0", "a1", options=",ga,aslow")
    (first,) = await aged.claim(10)
    ended = aged.ended(first)
    await aged.enqueue("a2", options=",ga,aslow")
    await aged.enqueue(*(f"high-{number}" for number in range(5)), options=",p2")
    await at(aged, 2_000)
    assert await aged.claim_ids(1) == [b"high-0"]
    assert await aged.state("a2") == "b"

    reply = await aged.exchange(ended, limit=1)
    assert [claim.id for claim in reply.claims] == [b"a1"]
    reply = await aged.exchange(aged.ended(reply.claims[0]), limit=1)
    assert [claim.id for claim in reply.claims] == [b"a2"], "it is where it had risen to"
