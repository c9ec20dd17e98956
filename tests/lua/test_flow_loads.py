"""Flows with very many edges: no call writes, forgets or looks at more than it has time for."""

from __future__ import annotations

from collections import Counter

from tests.lua.test_flows import end_all, states
from tests.lua.test_flows_across import edges
from tests.support.scripts import Scripts


async def test_the_edges_of_very_many_parents_are_written_a_thousand_a_call(
    scripts: Scripts,
) -> None:
    parents = [f"p{number:03}" for number in range(125)]
    children = [f"c{number:02}" for number in range(40)]
    await scripts.enqueue(*parents)
    for child in children:
        await scripts.enqueue_flow({child: parents})
    await end_all(scripts)
    while await states(scripts, *children) != "q" * 40:
        await scripts.exchange()

    async def written(letter: str) -> int:
        members = await edges(scripts)
        return sum(
            member.startswith(b"4:p") and member[7:8] == letter.encode() for member in members
        )

    await end_all(scripts)
    assert await states(scripts, *children) == "c" * 40
    assert await written("f") == 1000
    before, calls = 1000, 0
    while before < 5000:
        await scripts.beat() if calls % 2 else await scripts.exchange()
        now, calls = await written("f"), calls + 1
        assert before < now <= before + 1125
        before = now
    assert await written("d") == 0

    gone = await scripts.run("remove", "ab", "c", 0, *children)
    assert 1 <= len(gone) <= 12
    assert await written("f") == 5000 - 125 * len(gone)
    await scripts.raw.zadd(scripts.key("completed"), dict.fromkeys(children[len(gone) :], 5))
    removed, *_ = await scripts.run("sweep", 250, 0, 0, 0, 0, 0)
    assert removed == 250, "there is more to do"
    assert 1000 <= 5000 - 125 * len(gone) - await written("f") <= 2000


async def test_the_largest_part_of_a_flow_is_added_whatever_number_of_queues_wait_for_it(
    scripts: Scripts,
) -> None:
    # A thousand dependencies and a gate for each job. Lua takes 8,000 values of a list at most.
    jobs = {
        f"j{number:03}": [f"\udcffother,{number:03}{end}" for end in ("a", "b", "c", "d", "gate")]
        for number in range(250)
    }
    queues = [f"queue{number:02}" for number in range(20)]
    told = [word for queue in queues for job in jobs for word in (queue, job)]
    gates = [word for queue in queues for word in (queue, b"\xffgate")]

    assert (await scripts.enqueue_flow(jobs, told=[*told, *gates]))[1] == b"1" * 250

    members = await edges(scripts)
    kinds = Counter(
        member[:1] if member[:1] in b">?" else member.split(b",")[-1][:1] for member in members
    )
    assert len(members) == 1250 + 1250 + 20 * 250 + 20
    assert (kinds[b">"], kinds[b"?"], kinds[b"b"], kinds[b"j"]) == (20, 1250, 5000, 0)
    fields = Counter(field[:1] for field in await scripts.raw.hkeys(scripts.key("flows")))
    assert fields == {b"p": 250, b"n": 250, b"o": 1250}
    assert await scripts.raw.zcard(scripts.key("blocked")) == 250


async def test_one_that_runs_again_before_its_edges_were_written_ends_like_any_other(
    scripts: Scripts,
) -> None:
    parents = [f"p{number:03}" for number in range(240)]
    children = [f"c{number}" for number in range(6)]
    await scripts.enqueue(*parents)
    for child in children:
        await scripts.enqueue_flow({child: parents})
    await end_all(scripts)
    while await states(scripts, *children) != "q" * 6:
        await scripts.exchange()
    await end_all(scripts)
    left = children
    while left:
        left = left[len(await scripts.operate("replay", "cdx", *left)) :]
    assert await states(scripts, *children) == "q" * 6
    await end_all(scripts)
    for _ in range(10):
        await scripts.exchange()

    members = await edges(scripts)
    assert len(members) == 6 * 240
    assert {member[7:8] for member in members} == {b"f"}


async def cancelled_before_it_was_told(scripts: Scripts) -> list[bytes]:
    """Cancel `c` with so many others that its edges are not written yet; return them all."""
    many = [f"{number:03}" for number in range(240)]
    await scripts.enqueue("ended", options=",p5")
    await scripts.enqueue("other", *many)
    # Who is told first, who has the edges that are written first, and who is behind both.
    await scripts.enqueue_flow({f"a{number}": ["ended"] for number in many})
    full = [f"b{number}" for number in range(5)]
    for child in full:
        await scripts.enqueue_flow({child: many})
    await scripts.enqueue_flow({"c": ["ended", "other"]})
    (claim,) = await scripts.claim(1)
    await scripts.exchange(scripts.ended(claim), nonce=scripts.nonce)
    called_off = [word for child in [*full, "c"] for word in (child, "{}", "")]
    assert await scripts.operate("prune", "", *called_off) == b"-111111"
    return await edges(scripts)


async def test_one_that_runs_again_before_it_was_told_of_an_end_counts_that_end_once(
    scripts: Scripts,
) -> None:
    before = await cancelled_before_it_was_told(scripts)
    assert {b"!ended", b"*c", b"5:ended,ac", b"5:other,ac"} <= {*before}

    await scripts.operate("replay", "x", "c")
    for _ in range(5):
        await scripts.exchange()
    assert await states(scripts, "ended", "other", "c") == "cqb"
    own = [one for one in await edges(scripts) if one.endswith(b"c")]
    assert own == [b"5:ended,dc", b"5:other,ac"]
    await end_all(scripts)
    assert await states(scripts, "other", "c") == "cq"


async def test_a_mark_for_edges_that_are_to_be_written_goes_with_them(scripts: Scripts) -> None:
    """Else it would count for another job of this id."""
    assert b"*c" in await cancelled_before_it_was_told(scripts)
    await scripts.operate("remove", "x", 0, "c")

    assert [one for one in await edges(scripts) if one.endswith(b"c")] == []


async def test_of_very_long_waits_as_many_are_looked_at_as_there_is_time_for(
    scripts: Scripts,
) -> None:
    parents = [f"p{number:03}" for number in range(200)]
    children = [f"c{number:02}" for number in range(20)]
    await scripts.enqueue(*parents)
    for child in children:
        await scripts.enqueue_flow({child: parents})
    await scripts.raw.zadd(scripts.key("blocked"), dict.fromkeys(children, 5))

    seen: list[int] = []
    while not seen or seen[-1]:
        await scripts.run("sweep", 250, 0, 0, 0, 0, 0)
        seen.append(await scripts.raw.zcount(scripts.key("blocked"), 5, 5))
    assert seen == [14, 8, 2, 0]
    assert await scripts.run("repair", 250) == [[], 0, 0]
    assert await states(scripts, *children) == "b" * 20


async def test_of_large_dependents_a_few_run_again_a_call(scripts: Scripts) -> None:
    children = [f"c{number:02}" for number in range(12)]
    await scripts.enqueue_flow({"a": [], **{child: ["a"] for child in children}})
    large = dict.fromkeys(children, b",e00000000,ff\n" + b"x" * 1000000)
    await scripts.raw.hset(scripts.key("jobs"), mapping=large)
    await end_all(scripts, "d")
    assert await states(scripts, *children) == "d" * 12

    await scripts.operate("replay", "d", "a")
    assert (await states(scripts, *children)).count("b") == 4
    await scripts.exchange()
    await scripts.beat()
    assert await states(scripts, *children) == "b" * 12


async def test_of_parents_that_share_very_many_children_a_few_are_read_a_call(
    scripts: Scripts,
) -> None:
    parents, children = ["p0", "p1", "p2"], [f"c{number}" for number in range(4)]
    await scripts.enqueue_flow({"p0": [], "p1": [], "p2": [], **dict.fromkeys(children, parents)})
    whole = [[], [child.encode() for child in children], []]

    assert await scripts.run("kin", 12, *parents) == [whole] * 3
    assert await scripts.run("kin", 11, *parents) == [whole] * 2
    assert await scripts.run("kin", 3, *parents) == [[[], whole[1][:3], []]]
