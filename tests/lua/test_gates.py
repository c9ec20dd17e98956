"""Flows over several queues: gates, and what is left of a telling that nobody needs any more."""

from __future__ import annotations

import pytest

from tests.support.scripts import Scripts

THERE, OWN = "\udcffother,\udcffgate", b"\xffown"
HERE = THERE.encode(errors="surrogateescape")

PARENT, HERE_PARENT = "\udcffother,p", b"\xffother,p"


async def edges(scripts: Scripts) -> list[bytes]:
    found: list[bytes] = await scripts.raw.zrange(scripts.key("edges"), 0, -1)
    return found


async def states(scripts: Scripts, *jobs: str) -> str:
    return "".join([letter.decode() for letter in await scripts.run("states", *jobs)])


async def end(scripts: Scripts, value: bytes = b"value") -> None:
    """Claim what is ready, and complete it."""
    for claim in await scripts.claim():
        await scripts.exchange(scripts.ended(claim, "c", "", value), nonce=scripts.nonce)


@pytest.mark.requirement("B14")
async def test_a_gate_opens_with_the_last_part_and_is_forgotten_once_it_was_told(
    scripts: Scripts,
) -> None:
    # A queue without any job may get that part yet.
    assert (await scripts.run("expect", "child", 0, OWN, "p"))[1:] == [b"w", b"", b"g", b""]
    await scripts.enqueue("q")
    assert (await scripts.run("expect", "child", 0, OWN))[1:] == [b"w", b""]

    await scripts.enqueue_flow({"p": []}, told=("child", OWN, "child", "p"))
    assert (await scripts.run("expect", "child", 0, OWN))[1:] == [b"c", b""]
    assert (await scripts.run("expect", "third", 0, OWN))[1:] == [b"w", b""]
    assert await edges(scripts) == [b"1:p,bchild", b">child," + OWN]
    assert (await scripts.beat()).to_send
    assert (await scripts.post("ab", ""))[1:] == [b"child", OWN, b"1c", b""]
    assert len(await scripts.post("ab", "", "child", OWN, "1c", 1)) == 1
    assert await edges(scripts) == [b"1:p,bchild"]


@pytest.mark.requirement("B14")
@pytest.mark.parametrize("policy", ["f", "c", "r"])
async def test_a_gate_that_stays_shut_cancels_whatever_the_policy_of_a_job(
    scripts: Scripts, policy: str
) -> None:
    await scripts.enqueue_flow({"c": [THERE], "d": [THERE, "c"]}, options=f",f{policy}")
    assert (await scripts.run("asking", ""))[0] == HERE

    assert (await scripts.run("hear", HERE, 5, "g", ""))[0] == b"1"
    assert await states(scripts, "c", "d") == "xx"


async def test_a_gate_that_is_said_to_be_open_twice_opens_once(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"c": [THERE], "d": [THERE, "c"]})

    for number in (5, 5, 9):
        assert (await scripts.run("hear", HERE, number, "c", ""))[0] == b"1"
        assert await states(scripts, "c", "d") == "qb"
    await end(scripts)
    assert await states(scripts, "c", "d") == "cq"


@pytest.mark.parametrize("taken", [True, False])
async def test_a_flow_that_is_added_again_is_told_again_of_what_has_ended(
    scripts: Scripts, taken: bool
) -> None:
    """The producer of its last part may have died before it read the answer."""
    await scripts.enqueue_flow({"p": []}, told=("child", "p"))
    await end(scripts)
    if taken:
        await scripts.post("ab", "", "child", "p", "1c", 1)
        assert await edges(scripts) == [b"1:p,gchild"]

    await scripts.enqueue_flow({"p": []}, told=("child", "p"))
    if not taken:
        assert await edges(scripts) == [b"1:p,cchild", b">child,p"]
    await scripts.exchange()
    assert await edges(scripts) == [b"1:p,cchild", b">child,p"]


async def test_who_does_not_know_a_job_that_runs_again_is_told_of_its_end_and_forgotten(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("p")
    await scripts.run("expect", "child", 0, "p")
    await end(scripts)
    await scripts.post("ab", "", "child", "p", "1c", 1)
    await scripts.run("replay", "ac", "c", "p")
    assert (await scripts.post("ab", ""))[1:] == [b"child", b"p", b"2q", b""]

    assert len(await scripts.post("ab", "", "child", "p", "2q", 0)) == 1
    assert await edges(scripts) == [b"1:p,bchild"]
    await end(scripts)
    assert (await scripts.post("ab", ""))[1:] == [b"child", b"p", b"2c", b"value"]
    await scripts.post("ab", "", "child", "p", "2c", 0)
    assert await edges(scripts) == []


async def test_whoever_has_handed_over_all_keeps_nobody_from_what_comes_then(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("p", "q")
    for job in ("p", "q"):
        await scripts.run("expect", "child", 0, job)
    first, second = await scripts.claim()
    nonce = scripts.nonce
    await scripts.exchange(scripts.ended(first, "c", "", b"v"), nonce=nonce)
    await scripts.post("ab", "")
    await scripts.post("ab", "", "child", first.id, "1c", 1)

    reply = await scripts.exchange(scripts.ended(second, "c", "", b"v"), nonce=nonce)
    assert reply.to_send
    assert len(await scripts.post("cd", "")) == 5


async def test_a_page_of_messages_is_4_mib_long(scripts: Scripts) -> None:
    names = [f"p{number}" for number in range(6)]
    await scripts.enqueue(*names)
    await scripts.run("expect", "child", 0, *names)
    await end(scripts, b"x" * ((1 << 20) - 50))

    _, *page = await scripts.post("ab", "")
    assert page[1::4] == [b"p0", b"p1", b"p2", b"p3"]
    # Nor is what is read on asking longer.
    _, *answer = await scripts.run("expect", "third", 1, *names)
    assert len(answer) == 2 * 4
    taken = [word for name in page[1::4] for word in ("child", name, "1c", 1)]
    _, *rest = await scripts.post("ab", "", *taken)
    assert rest[1::4] == [b"p4", b"p5"]


async def test_what_waits_for_one_that_runs_again_asks_for_it(scripts: Scripts) -> None:
    children = [f"c{number:03}" for number in range(150)]
    await scripts.enqueue_flow({child: [PARENT] for child in children})
    await scripts.raw.delete(scripts.key("wake"))
    await scripts.run("hear", HERE_PARENT, 5, "d", b"{}")
    # Somebody is called for the rest.
    assert await scripts.raw.zcard(scripts.key("wake")) == 1
    # Those that were not told of its end wait on, the others wait again.
    await scripts.run("hear", HERE_PARENT, 6, "q", b"")
    await scripts.exchange()

    assert await states(scripts, *children) == "b" * 150
    assert (await scripts.run("asking", ""))[0] == HERE_PARENT


async def test_what_it_returned_is_forgotten_while_it_runs_again(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"c": [PARENT]})
    await scripts.run("hear", HERE_PARENT, 5, "c", b"old")
    await scripts.run("hear", HERE_PARENT, 6, "q", b"")

    assert await scripts.run("parents", "c", 0) == [1, b"f", [HERE_PARENT, b"q", b""]]
    assert not await scripts.raw.hexists(scripts.key("flows"), b"v" + HERE_PARENT)


async def test_who_asked_after_the_end_hears_that_the_job_runs_again(scripts: Scripts) -> None:
    await scripts.enqueue("p")
    await end(scripts)
    told = [await scripts.stamp("p", "1c"), b"value"]
    assert (await scripts.run("expect", "child", 1, "p"))[1:] == told
    assert await edges(scripts) == [b"1:p,gchild"]

    await scripts.run("replay", "ac", "c", "p")
    assert await edges(scripts) == [b"1:p,bchild", b">child,p"]


async def test_a_new_child_changes_nothing_of_what_its_queue_was_told(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"c": [PARENT]})
    await scripts.run("hear", HERE_PARENT, 9, "q", b"")
    await scripts.enqueue_flow({"d": [PARENT]})

    assert (await scripts.run("hear", HERE_PARENT, 8, "d", b"{}"))[0] == b"1"
    assert await states(scripts, "c", "d") == "bb"


async def test_a_job_whose_last_child_has_gone_is_not_asked_for(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "c": [PARENT]})
    await scripts.run("remove", "ab" * 16, "qb", 0, "c")

    assert await edges(scripts) == []
    assert not (await scripts.beat()).to_ask


async def test_a_child_that_waits_again_asks_for_all_that_it_waits_for(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"c": [PARENT, THERE]})
    await scripts.run("hear", HERE_PARENT, 5, "d", b"{}")
    # It waits for nothing any more.
    assert await scripts.run("asking", "") == []
    await scripts.run("hear", HERE_PARENT, 6, "q", b"")

    assert (await scripts.run("asking", ""))[::2] == [HERE_PARENT, HERE]


async def test_a_child_that_was_not_told_of_the_end_before_asks_for_the_next(
    scripts: Scripts,
) -> None:
    children = [f"c{number:03}" for number in range(150)]
    await scripts.enqueue_flow({child: [PARENT] for child in children}, options=",fr")
    await scripts.run("hear", HERE_PARENT, 5, "d", b"{}")
    await scripts.run("hear", HERE_PARENT, 6, "q", b"")

    assert await states(scripts, *children) == "q" * 100 + "b" * 50
    assert (await scripts.run("asking", ""))[0] == HERE_PARENT


async def test_who_is_to_be_told_is_so_still_when_it_asks(scripts: Scripts) -> None:
    await scripts.enqueue("p")
    await scripts.run("expect", "child", 0, "p")
    await end(scripts)
    before = await edges(scripts)

    told = [await scripts.stamp("p", "1c"), b"value"]
    assert (await scripts.run("expect", "child", 1, "p"))[1:] == told
    assert await edges(scripts) == before == [b"1:p,cchild", b">child,p"]


async def test_the_number_of_a_telling_does_not_go_back_with_the_clock(scripts: Scripts) -> None:
    await scripts.enqueue("p")
    ahead = await scripts.now() + 60_000
    await scripts.run("expect", "child", 0, "p")
    await scripts.raw.hset(scripts.key("flows"), "#", ahead)

    assert (await scripts.run("expect", "child", 0, "p"))[0] == b"%d" % (ahead + 1)
