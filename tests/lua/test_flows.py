"""Jobs that wait for others: each is told once of the end of each, and what is kept meanwhile."""

from __future__ import annotations

import json

import pytest

from aiojobs_redis._redis.store import Claim
from tests.support.scripts import Scripts


async def states(scripts: Scripts, *jobs: str) -> str:
    """Return the letters of some jobs."""
    return "".join([letter.decode() for letter in await scripts.run("states", *jobs)])


async def end_all(
    scripts: Scripts, code: str = "c", argument: int | str = "", limit: int = 0
) -> list[Claim]:
    """Claim all that is ready, and end it; claim again in the call that ends it."""
    claims = await scripts.claim()
    value = "{}" if code in "dx" else b"value"
    ended = [scripts.ended(claim, code, argument, value) for claim in claims]
    return (await scripts.exchange(*ended, limit=limit, nonce=scripts.nonce)).claims


@pytest.mark.requirement("B13")
async def test_a_child_is_claimed_by_the_call_that_ends_its_last_parent(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a", "b"]})
    first, second = await scripts.claim()

    nonce = scripts.nonce
    assert await states(scripts, "a", "b", "c") == "rrb"
    assert not (await scripts.exchange(scripts.ended(first), limit=5, nonce=nonce)).claims
    reply = await scripts.exchange(scripts.ended(second), limit=5, nonce=nonce)

    assert [claim.id for claim in reply.claims] == [b"c"]
    assert await states(scripts, "a", "b", "c") == "ccr"


async def test_a_parent_that_is_named_twice_counts_once(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "c": ["a", "a"]})

    assert [claim.id for claim in await end_all(scripts, limit=5)] == [b"c"]


@pytest.mark.parametrize(
    "parent", ["1:a,b", "!a", "a,kx", "13", "ä\n%,", "a" * 256], ids=["net", "mark", *"edlu"]
)
async def test_an_id_may_hold_whatever_the_edges_are_made_of(scripts: Scripts, parent: str) -> None:
    child = f"{parent[:200]}:c"
    await scripts.enqueue_flow({parent: [], child: [parent], "other": []})

    claims = await end_all(scripts, limit=5)

    assert [claim.id.decode() for claim in claims] == [child]
    assert await scripts.run("parents", child, 0) == [1, b"f", [parent.encode(), b"c", b"value"]]


@pytest.mark.requirement("B14")
@pytest.mark.behaviour("T64")
@pytest.mark.parametrize("code", ["d", "x"])
@pytest.mark.parametrize(("policy", "state"), [("f", "d"), ("c", "x"), ("r", "q")])
async def test_each_policy_for_a_parent_that_failed(
    scripts: Scripts, code: str, policy: str, state: str
) -> None:
    await scripts.enqueue_flow({"a": [], "c": ["a"]}, options=f",f{policy}")
    await end_all(scripts, code)

    assert await states(scripts, "a", "c") == code + state
    lines = (await scripts.raw.hget(scripts.key("errors"), "c") or b"").splitlines()
    if policy != "r":
        error = json.loads(lines[-1])
        assert error["type"] == "parent_failed"
        assert error["message"].startswith("job a, on which it depends, ")


async def test_a_failure_ends_a_child_before_its_other_parents_do(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a", "b"], "e": ["c"]})
    (first,) = await scripts.claim(1)
    await scripts.exchange(scripts.ended(first, "d", "", "{}"), nonce=scripts.nonce)

    assert await states(scripts, "a", "b", "c", "e") == "dqdd"
    await end_all(scripts)
    assert await states(scripts, "b", "c", "e") == "cdd"


async def test_a_parent_that_has_ended_counts_at_once(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b", "z")
    await end_all(scripts)
    await scripts.enqueue("b2")
    await end_all(scripts, "d")

    await scripts.enqueue_flow({"c": ["a", "b"], "late": ["a"], "dies": ["b2", "a"]})

    assert await states(scripts, "c", "late", "dies") == "qqb"
    assert await scripts.raw.zcard(scripts.key("wake")) == 1, "who waits tells it soon"
    await scripts.exchange()
    assert await states(scripts, "dies") == "d"


async def test_a_parent_that_is_not_there_refuses_the_whole_call(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    before = await scripts.raw.hgetall(scripts.key("jobs"))

    reply = await scripts.enqueue_flow({"b": [], "c": ["b", "nobody"]}, counter=7)

    assert reply == [b"MISSING", b"c", b"nobody"]
    assert await scripts.raw.hgetall(scripts.key("jobs")) == before
    await scripts.run("enqueue_one", "ee", 1, "nobody", "work", "spec")
    again = await scripts.enqueue_flow({"b": [], "c": ["b", "nobody"]}, counter=7)
    assert again == [b"FULL", 0], "a copy that comes late adds nothing that was refused"


async def test_a_flow_over_the_rate_of_a_key_is_refused_whole(scripts: Scripts) -> None:
    await scripts.enqueue("first")
    flow: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["b"]}

    assert await scripts.enqueue_flow(flow, rate="2 60000", counter=7) == [b"OK", b"992"]
    assert await scripts.enqueue_flow(flow, rate="2 60000", counter=7) == [b"OK", b"992"]
    assert await states(scripts, "a", "b", "c") == ""
    flow.pop("c")
    assert await scripts.enqueue_flow(flow, rate="2 60000", counter=8) == [b"OK", b"11"]
    assert await scripts.enqueue_flow({"d": ["a"]}, rate="2 60000", counter=9) == [b"OK", b"2"]


async def test_a_refused_flow_makes_no_queue(scripts: Scripts) -> None:
    assert await scripts.enqueue_flow({"b": ["a"]}) == [b"MISSING", b"b", b"a"]
    assert await scripts.raw.keys(f"*{{{scripts.store.queue}}}*") == []


async def test_a_resent_flow_is_answered_as_the_first_time(scripts: Scripts) -> None:
    flow: dict[str, list[str]] = {"a": [], "b": ["a"]}
    first = await scripts.enqueue_flow(flow, counter=3)
    members = await scripts.raw.zrange(scripts.key("edges"), 0, -1)

    assert await scripts.enqueue_flow(flow, counter=3) == first == [b"OK", b"11"]
    assert await scripts.enqueue_flow(flow, counter=4) == [b"OK", b"00"]
    assert await scripts.enqueue_flow(flow, counter=2) == [b"STALE"]
    assert await scripts.raw.zrange(scripts.key("edges"), 0, -1) == members


async def test_blocked_jobs_count_for_the_length_of_the_queue(scripts: Scripts) -> None:
    flow: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["a"]}

    assert await scripts.enqueue_flow(flow, max_length=2) == [b"FULL", 0]
    assert await scripts.enqueue_flow(flow, max_length=3) == [b"OK", b"111"]
    assert await scripts.enqueue_flow({"d": ["a"]}, max_length=3) == [b"FULL", 3]


async def test_a_delay_goes_on_while_a_child_waits(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "now": ["a"]}, options=",y1,ff")
    await scripts.enqueue_flow({"later": ["a"]}, options=",y60000,ff")
    await end_all(scripts)

    assert await states(scripts, "later") == "s"
    assert await states(scripts, "now") in ("q", "s")
    assert await scripts.raw.zcard(scripts.key("due")) == 1


async def test_a_cancelled_parent_fails_its_children_in_the_same_call(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": ["b"]})

    await scripts.operate("cancel", "a", "{}")

    assert await states(scripts, "a", "b", "c") == "xdd"


async def test_a_parent_that_is_removed_counts_as_cancelled(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": ["b"], "e": []})
    await scripts.enqueue_flow({"f": ["a", "e"]}, options=",fr")

    assert await scripts.run("remove", "ee", "q", 0, "a") == b"Q"
    assert await states(scripts, "a", "b", "c", "f") == "bbb"
    await scripts.beat()

    assert await states(scripts, "b", "c", "f") == "ddb"
    lines = await scripts.raw.hget(scripts.key("errors"), "b")
    assert json.loads(lines)["message"] == "job a, on which it depends, was removed"
    assert await scripts.run("remove", "ff", "bd", 0, "b", "c", "f") == b"DDB"
    assert await scripts.raw.zcard(scripts.key("edges")) == 0


async def test_a_child_that_is_cancelled_while_it_waits_is_not_told(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"]})
    await scripts.operate("cancel", "b", "{}")

    assert await end_all(scripts, limit=5) == []
    assert await states(scripts, "a", "b") == "cx"


async def test_a_parent_that_loses_its_last_lease_fails_its_children(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"b": [], "c": ["b"]})
    await scripts.enqueue("a", options=",d1")
    await scripts.enqueue_flow({"e": ["a"]})
    await scripts.claim()
    await scripts.expire_lease("a")

    await scripts.beat()

    assert await states(scripts, "a", "b", "c", "e") == "drbd"


async def test_a_parent_that_expires_fails_its_children_with_the_next_call(
    scripts: Scripts,
) -> None:
    await scripts.enqueue("a", options=",x1")
    await scripts.enqueue_flow({"c": ["a"]})

    assert await scripts.claim() == []
    assert await states(scripts, "a", "c") == "db"
    assert await scripts.raw.zcard(scripts.key("wake")) == 1
    await scripts.exchange()
    assert await states(scripts, "c") == "d"


async def test_more_children_than_one_call_may_tell_are_told_by_the_next(scripts: Scripts) -> None:
    children = [f"c{number:03}" for number in range(240)]
    await scripts.enqueue_flow({"a": [], **{child: ["a"] for child in children}})
    await end_all(scripts)

    assert (await states(scripts, *children)).count("b") == 140
    assert await scripts.raw.zcard(scripts.key("wake")) == 1
    assert (await scripts.beat()).claimable
    assert (await states(scripts, *children)).count("b") == 40
    await scripts.exchange()
    assert await states(scripts, *children) == "q" * 240
    assert await scripts.raw.zrange(scripts.key("edges"), "[!", '("', bylex=True) == []


async def test_a_failure_goes_down_a_long_chain_call_by_call(scripts: Scripts) -> None:
    chain = {f"{number:03}": [f"{number - 1:03}"] for number in range(1, 250)}
    await scripts.enqueue_flow({"000": [], **chain})
    await scripts.operate("cancel", "000", "{}")

    assert (await states(scripts, *chain)).count("d") == 100
    await scripts.exchange()
    await scripts.beat()
    assert await states(scripts, *chain) == "d" * 249


async def test_fewer_are_told_by_one_call_where_they_have_many_parents(scripts: Scripts) -> None:
    """All edges of a job are written when it ends, or runs again: each is a quarter of its work."""
    parents = [f"p{number:02}" for number in range(40)]
    children = [f"c{number:02}" for number in range(40)]
    await scripts.enqueue_flow({parent: [] for parent in parents})
    await scripts.enqueue_flow(dict.fromkeys(children, parents))
    await end_all(scripts, "d")

    assert (await states(scripts, *children)).count("d") == 10
    while "b" in await states(scripts, *children):
        await scripts.exchange()
    for parent in parents[1:]:
        await scripts.operate("replay", "cdx", parent)
    await end_all(scripts)
    await scripts.operate("replay", "cdx", parents[0])

    assert (await states(scripts, *children)).count("b") == 10
    for _ in range(3):
        await scripts.exchange()
    assert await states(scripts, *children) == "b" * 40


@pytest.mark.behaviour("T64")
@pytest.mark.parametrize("keep", [0, 5])
async def test_a_result_stays_until_the_last_child_has_ended(scripts: Scripts, keep: int) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": ["b"]})
    (claim,) = await end_all(scripts, "c", keep, limit=5)
    await scripts.raw.zadd(scripts.key("kept"), {"a": 5})
    await scripts.run("sweep", 10, 0, 0, 0, 0, 0)

    assert await scripts.run("parents", "b", 0) == [1, b"f", [b"a", b"c", b"value"]]
    assert await scripts.raw.zscore(scripts.key("kept"), "a") > await scripts.now() + 3_500_000
    await scripts.exchange(scripts.ended(claim, "d", "", "{}"), nonce=scripts.nonce)
    await scripts.raw.zadd(scripts.key("kept"), {"a": 5})
    await scripts.run("sweep", 10, 0, 0, 0, 0, 0)
    assert await states(scripts, "a", "b", "c") == "dd"


async def test_what_a_child_may_still_read_is_not_counted_as_swept(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"]})
    await end_all(scripts, "c", 5)
    await scripts.raw.zadd(scripts.key("kept"), {"a": 5})

    removed, *_ = await scripts.run("sweep", 10, 0, 0, 0, 0, 0)

    assert removed == 0
    await end_all(scripts)
    await scripts.raw.zadd(scripts.key("kept"), {"a": 5})
    removed, *_ = await scripts.run("sweep", 10, 0, 0, 0, 0, 0)
    assert removed == 1


async def test_nothing_is_left_of_a_flow_that_is_forgotten(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": ["a", "b"]})
    for _ in range(3):
        await end_all(scripts)
    await scripts.raw.zadd(scripts.key("completed"), {"a": 5, "b": 5, "c": 5})
    await scripts.run("sweep", 10, 0, 0, 0, 0, 0)

    for name in ("jobs", "runs", "edges", "flows"):
        assert not await scripts.raw.exists(scripts.key(name))


async def test_a_child_of_which_nothing_is_kept_leaves_no_edge(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"]}, options=",k0,ff")
    await end_all(scripts, "d")

    assert await states(scripts, "a", "b") == "d"
    assert not await scripts.raw.exists(scripts.key("edges"))


async def test_a_job_without_dependents_is_forgotten_as_ever(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"]})
    await scripts.enqueue("free")
    await end_all(scripts, "c", 0)

    assert await states(scripts, "a", "free") == "c"


async def test_a_replayed_child_waits_for_a_parent_that_runs_again(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"]})
    await end_all(scripts, "d")

    await scripts.operate("replay", "cdx", "a", "b")

    assert await states(scripts, "a", "b") == "qb"
    assert [claim.id for claim in await end_all(scripts, limit=5)] == [b"b"]


async def test_a_replay_revives_all_that_died_of_it_at_once(scripts: Scripts) -> None:
    """Whoever asks for a result next waits for the new end, and is not told of the old one."""
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": ["b"], "e": ["a"], "f": ["c", "e"]})
    await end_all(scripts, "d")
    assert await states(scripts, *"abcef") == "ddddd"

    await scripts.operate("replay", "cdx", "a")

    assert await states(scripts, *"abcef") == "qbbbb"
    assert await scripts.raw.zrange(scripts.key("edges"), "[+", "(,", bylex=True) == []


async def test_what_one_replay_may_not_revive_is_left_to_the_next_call(scripts: Scripts) -> None:
    children = [f"c{number:03}" for number in range(240)]
    await scripts.enqueue_flow({"a": [], **{child: ["a"] for child in children}})
    await end_all(scripts, "d")
    while "b" in await states(scripts, *children):
        await scripts.exchange()

    await scripts.operate("replay", "cdx", "a")

    assert (await states(scripts, *children)).count("b") == 100
    await scripts.beat()
    await scripts.exchange()
    assert await states(scripts, *children) == "b" * 240
    assert await scripts.raw.zrange(scripts.key("edges"), "[+", "(,", bylex=True) == []


async def test_a_child_is_revived_in_the_call_that_ends_its_other_parent(
    scripts: Scripts,
) -> None:
    """What has ended is recorded at the end of a call, and the child must not wait for it."""
    children = [f"c{number:03}" for number in range(100)]
    await scripts.enqueue_flow({"a": [], **{child: ["a"] for child in children}})
    await scripts.enqueue_flow({"b": [], "z": ["a", "b"]})
    first, second = await scripts.claim()
    other = scripts.ended(second)
    await scripts.exchange(scripts.ended(first, "d", "", "{}"), nonce=scripts.nonce)
    while "b" in await states(scripts, *children, "z"):
        await scripts.beat()

    await scripts.operate("replay", "cdx", "a")
    assert await states(scripts, "z") == "d", "one more than a replay may revive"
    await scripts.exchange(other)

    assert await states(scripts, "b", "z") == "cb"
    assert await scripts.raw.hget(scripts.key("flows"), "nz") == b"1"


async def test_a_child_that_is_replayed_by_itself_runs_at_once(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"]})
    await end_all(scripts, "d")

    await scripts.operate("replay", "cdx", "b")

    assert await states(scripts, "a", "b") == "dq"


async def test_children_of_a_parent_that_runs_again_wait_for_its_new_end(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await end_all(scripts, "d")
    await scripts.enqueue_flow({"c": ["a"]}, options=",fr")
    await scripts.operate("replay", "cdx", "a")

    await scripts.exchange()

    assert await states(scripts, "a", "c") == "qb"
    assert [claim.id for claim in await end_all(scripts, limit=5)] == [b"c"]


@pytest.mark.corrupts
async def test_a_wait_that_nobody_would_end_is_ended(scripts: Scripts) -> None:
    """Edges were lost, counted wrong, or their parent was removed by somebody else."""
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a"], "d": ["b"], "e": ["b"]})
    await scripts.raw.hset(scripts.key("flows"), "ne", 5)
    await scripts.raw.zrem(scripts.key("ready"), "b")
    await scripts.raw.hdel(scripts.key("jobs"), "b")
    await scripts.raw.zrem(scripts.key("edges"), "1:a,ac")

    await scripts.run("repair", 100)
    await scripts.exchange()

    assert await states(scripts, "d", "e") == "dd"
    assert await scripts.raw.hget(scripts.key("flows"), "nc") == b"1"
    assert [claim.id for claim in await end_all(scripts, limit=5)] == [b"c"]


@pytest.mark.corrupts
async def test_a_job_that_waits_for_nobody_is_put_among_the_dead(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "c": ["a"]})
    await scripts.raw.hdel(scripts.key("flows"), "pc")

    ids, removed, _ = await scripts.run("repair", 100)

    assert ids == [b"c"]
    assert removed == 1, "the edge of a job that has no parents"
    assert await scripts.raw.exists(scripts.key("edges")) == 0


async def test_a_wait_of_a_day_is_looked_at_and_goes_on(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "c": ["a"]})
    await scripts.raw.zadd(scripts.key("blocked"), {"c": 5})

    reply = await scripts.run("sweep", 10, 0, 0, 0, 0, 0)

    assert reply[3] == []
    assert await states(scripts, "c") == "b"
    assert await scripts.raw.zscore(scripts.key("blocked"), "c") > 5


async def test_a_released_child_that_a_limit_parks_for_a_day_waits_for_its_parents_no_more(
    scripts: Scripts,
) -> None:
    await scripts.run("limit", "kk", "1,,")
    await scripts.enqueue("other", options=",gk,p1")
    await scripts.enqueue_flow({"a": [], "c": ["a"]}, options=",ff,gk")
    holder, parent = await scripts.claim()
    nonce = scripts.nonce
    await scripts.exchange(scripts.ended(parent), limit=5, nonce=nonce)
    assert await states(scripts, "a", "c") == "cb"
    await scripts.raw.zadd(scripts.key("blocked"), {"c": 5})

    await scripts.run("sweep", 10, 0, 0, 0, 0, 0)
    await scripts.run("remove", "ab", "c", 0, "a")
    await scripts.beat()

    assert await states(scripts, "c") == "b"
    ended = scripts.ended(holder)._replace(token=f"{holder.fence},{nonce}")
    reply = await scripts.exchange(ended, limit=5)
    assert [claim.id for claim in reply.claims] == [b"c"]


async def test_an_exchange_that_lets_one_wait_for_its_time_says_when_that_is(
    scripts: Scripts,
) -> None:
    """Also where the parent did not end in it, but went before."""
    await scripts.enqueue_flow({"parent": [], "child": ["parent"]}, options=",fr,y60000")
    await scripts.run("remove", "ab", "q", 0, "parent")

    reply = await scripts.exchange()

    assert await scripts.state("child") == "s"
    assert reply.due_at is not None
    assert 59_000 <= reply.due_at - reply.now <= 60_000
