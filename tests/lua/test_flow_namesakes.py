"""Jobs that died of one whose id another job has by now: they do not run again with that one."""

from __future__ import annotations

import pytest

from tests.lua.test_flows import end_all, states
from tests.support.scripts import Scripts
from tests.support.waiting import wait_until

HERE, THERE = b"\xffother,p", "\udcffother,p"
GATE, THEIR_GATE = b"\xffother,\xffgate", "\udcffother,\udcffgate"


async def edges(scripts: Scripts) -> list[bytes]:
    found: list[bytes] = await scripts.raw.zrange(scripts.key("edges"), 0, -1)
    return found


async def hear(scripts: Scripts, number: int, stamp: str, name: bytes = HERE) -> bytes:
    value = {"q": b"", "g": b"", "c": b"value"}.get(stamp[-1], b"{}")
    (digits, *_) = await scripts.run("hear", name, number, stamp, value)
    return bytes(digits)


async def known(scripts: Scripts) -> bytes:
    text: bytes = await scripts.raw.hget(scripts.key("flows"), b"o" + HERE)
    return text


async def next_ms(scripts: Scripts) -> None:
    """Wait for the next millisecond of the server: jobs of one id are told apart by theirs."""

    async def ms() -> int:
        seconds, micros = await scripts.raw.time()
        return int(seconds * 1000 + micros // 1000)

    began = await ms()

    async def over() -> bool:
        return await ms() > began

    await wait_until(over, "the clock of the server to go on")


async def namesake(scripts: Scripts, job: str) -> None:
    """Remove a job, and enqueue another one by its id."""
    await scripts.operate("remove", "cdx", 0, job)
    await next_ms(scripts)
    await scripts.enqueue(job)


# In one queue


async def test_who_died_of_a_job_does_not_run_again_with_another_one_of_its_id(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"]})
    await end_all(scripts, "d")
    await namesake(scripts, "a")
    await scripts.enqueue_flow({"c": ["a"]})
    await end_all(scripts, "d")
    assert await states(scripts, *"abc") == "ddd"

    await scripts.operate("replay", "d", "a")

    assert await states(scripts, *"abc") == "qdb"
    assert await edges(scripts) == [b"1:a,ac", b"1:a,fb"]
    await end_all(scripts)
    # By itself it does, as ever.
    await scripts.operate("replay", "d", "b")
    assert await states(scripts, *"abc") == "cqq"


async def test_what_is_left_of_a_replay_does_not_reach_who_died_of_the_job_before(
    scripts: Scripts,
) -> None:
    """The mark is of the old job, and the new one never had a record."""
    children = [f"c{number:03}" for number in range(150)]
    await scripts.enqueue_flow({"a": [], **{child: ["a"] for child in children}})
    await end_all(scripts, "d")
    await scripts.exchange()
    await scripts.operate("replay", "d", "a")
    await scripts.operate("remove", "q", 0, "a")
    await next_ms(scripts)
    await scripts.enqueue("a")

    for _ in range(3):
        await scripts.exchange()
    assert (await states(scripts, *children)).count("d") == 50
    assert b"+a" not in await edges(scripts)


async def test_who_died_of_a_job_runs_again_with_it_although_it_had_become_another(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("a", options=",udr:key", needs=2)
    await scripts.enqueue_flow({"b": ["a"]})
    await next_ms(scripts)
    assert await scripts.enqueue("x", options=",udr:key", needs=2)
    assert await states(scripts, *"abx") == "qb"
    await end_all(scripts, "d")

    await scripts.operate("replay", "d", "a")

    assert await states(scripts, *"ab") == "qb"


async def test_who_died_of_a_job_runs_again_with_it_although_the_clock_was_set_back(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"]})
    jobs = scripts.key("jobs")
    for job in "ab":
        blob = await scripts.raw.hget(jobs, job)
        await scripts.raw.hset(jobs, job, b",ezzzzzzzz" + blob[10:])
    await end_all(scripts, "d")

    await scripts.operate("replay", "d", "a")

    assert await states(scripts, *"ab") == "qb"


# Across queues


@pytest.mark.parametrize("then", ["1,bb,q", "1,bb,c", "2,bb,c", "3,bb,q"])
async def test_who_died_of_a_job_of_another_queue_does_not_run_again_with_its_namesake(
    scripts: Scripts, then: str
) -> None:
    await scripts.enqueue_flow({"c": [THERE], "e": ["c"]})
    await hear(scripts, 5, "1,aa,d")
    assert await states(scripts, *"ce") == "dd"

    assert await hear(scripts, 6, then) == b"1"

    assert await states(scripts, *"ce") == "dd"
    assert await known(scripts) == b"6,bb," + then[-1:].encode()
    assert b"10:" + HERE + b",fc" not in await edges(scripts)
    assert b"8:" + HERE + b",fc" in await edges(scripts)
    # The same job, which has failed and runs again.
    await hear(scripts, 7, "4,bb,d")
    await hear(scripts, 8, "5,bb,q")
    assert await states(scripts, *"ce") == "dd"


async def test_who_died_of_the_namesake_runs_again_with_it_alone(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"c": [THERE]})
    await hear(scripts, 5, "1,aa,d")
    await scripts.enqueue_flow({"e": [THERE]})
    assert await known(scripts) == b"6,aa,d"
    await hear(scripts, 7, "1,bb,d")
    assert await states(scripts, *"ce") == "dd"

    await hear(scripts, 8, "2,bb,q")
    assert await states(scripts, *"ce") == "db"
    # Late, and of the job before.
    await hear(scripts, 7, "2,aa,q")
    assert await known(scripts) == b"8,bb,q"
    await hear(scripts, 9, "2,bb,c")
    assert await states(scripts, *"ce") == "dq"
    # By itself it runs, with what there is.
    await scripts.operate("replay", "d", "c")
    assert await states(scripts, *"ce") == "qq"
    assert await scripts.run("parents", "c", 0) == [1, b"f", [HERE, b"c", b"value"]]


@pytest.mark.parametrize("before", ["1,aa,d", "d"])
async def test_a_telling_that_does_not_say_of_which_job_it_is_goes_by_the_id(
    scripts: Scripts, before: str
) -> None:
    """As those of a worker of an earlier version."""
    await scripts.enqueue_flow({"c": [THERE]})
    await hear(scripts, 5, before)
    await hear(scripts, 6, "q" if "," in before else "2,aa,q")
    assert await states(scripts, "c") == "b"
    assert await known(scripts) == b"6,aa,q"


async def test_of_very_many_that_died_of_the_job_before_none_runs_again(scripts: Scripts) -> None:
    children = [f"c{number:04}" for number in range(1100)]
    for at in range(0, 1100, 220):
        await scripts.enqueue_flow({child: [THERE] for child in children[at : at + 220]})
    await hear(scripts, 5, "1,aa,d")
    while "b" in await states(scripts, *children[-220:]):
        await scripts.exchange()
    # A mark of when the first one ran again.
    await scripts.raw.zadd(scripts.key("edges"), {b"+" + HERE: 0})

    async def count(letter: str) -> int:
        head = b"8:" + HERE + b"," + letter.encode()
        return sum(member.startswith(head) for member in await edges(scripts))

    for number, left, which in ((6, 100, b"aa"), (7, 0, b"bb"), (8, 0, b"bb")):
        await hear(scripts, number, "2,bb,q")
        await scripts.exchange()
        assert (await count("k"), await count("f")) == (left, 1100 - left)
        assert await known(scripts) == b"%d,%b,q" % (number, which)
    for at in range(0, 1100, 220):
        assert await states(scripts, *children[at : at + 220]) == "d" * 220


# Of jobs that are gone


async def test_who_died_of_a_job_that_is_gone_does_not_run_again_with_its_namesake(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": [THERE]})
    await scripts.operate("remove", "q", 0, "a")
    await scripts.exchange()
    await hear(scripts, 5, "g")
    assert await states(scripts, *"bc") == "dd"
    assert await edges(scripts) == [b"1:a,fb", b"8:" + HERE + b",fc"]

    await scripts.enqueue("a")
    await end_all(scripts, "d")
    await scripts.operate("replay", "d", "a")
    await hear(scripts, 6, "2,bb,c")
    assert await states(scripts, *"abc") == "qdd"


async def test_who_waited_for_the_rest_of_its_flow_runs_when_that_comes_late(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"c": [THEIR_GATE, THERE]})
    await hear(scripts, 5, "g")
    assert await states(scripts, "c") == "d"

    await hear(scripts, 6, "1c", GATE)
    await hear(scripts, 7, "1,aa,c")
    assert await states(scripts, "c") == "q"


async def test_what_goes_once_the_whole_flow_was_there_does_not_come_back(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"c": [THEIR_GATE, THERE]})
    await hear(scripts, 5, "1c", GATE)
    await hear(scripts, 6, "g")
    await hear(scripts, 7, "1,aa,c")

    assert await states(scripts, "c") == "d"


async def test_who_has_a_parent_that_is_gone_does_not_run_again_with_the_other(
    scripts: Scripts,
) -> None:
    await scripts.enqueue_flow({"a": [], "c": ["a", THERE]})
    await end_all(scripts, "d")
    await hear(scripts, 5, "g")
    await scripts.operate("replay", "d", "a")

    assert await states(scripts, *"ac") == "qd"
    assert await edges(scripts) == [b"1:a,fc", b"8:" + HERE + b",fc"]
    await hear(scripts, 6, "1,bb,c")
    assert await states(scripts, *"ac") == "qd"


# What the other queue tells


async def test_a_telling_says_when_its_job_was_enqueued(scripts: Scripts) -> None:
    await scripts.enqueue("p", "q")
    assert await scripts.run("expect", "child", 1, "p", "q") != []
    claims = {claim.id: claim for claim in await scripts.claim()}
    ended = scripts.ended(claims[b"p"], "d", "", b"{}")
    await scripts.exchange(ended, nonce=scripts.nonce)
    stamp = await scripts.stamp("p", "1d")

    assert (await scripts.run("expect", "third", 1, "p", "q"))[1:] == [stamp, b"{}", b"q", b""]
    assert (await scripts.run("expect", "third", 0, "p", "q"))[1:] == [b"d", b"", b"q", b""]
    assert (await scripts.run("post", "ab", ""))[1:] == [b"child", b"p", stamp, b"{}"]
    # Another one has the id, and has ended as the first one did, before the answer comes.
    await scripts.operate("remove", "d", 0, "p")
    await next_ms(scripts)
    await scripts.enqueue_flow({"p": []}, told=("child", "p"))
    assert await scripts.stamp("p", "1d") != stamp
    for run, value in (("1q", b""), ("1d", b"{}"), ("2q", b"")):
        told = [b"child", b"p", await scripts.stamp("p", run), value]
        assert (await scripts.run("post", "ab", "", "child", "p", stamp, 1))[1:] == told
        await end_all(scripts, "d") if run == "1q" else await scripts.operate("replay", "d", "p")


async def test_large_specs_make_a_page_of_messages_shorter(scripts: Scripts) -> None:
    """The time of the enqueue stands in front of the spec, which is read for it."""
    names = [f"p{number}" for number in range(6)]
    for name in names:
        await scripts.enqueue(name, spec=b"x" * 1_000_000)
    await scripts.run("expect", "child", 0, *names)
    while "q" in await states(scripts, *names):
        await end_all(scripts)

    assert len(await scripts.run("post", "ab", "")) == 1 + 4 * 4
    assert len(await scripts.run("expect", "third", 1, *names)) == 1 + 2 * 4
    assert len(await scripts.run("expect", "third", 0, *names)) == 1 + 2 * 6
