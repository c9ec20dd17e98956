"""A running job waits for jobs that it names, and runs again once all of them have ended."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from aiojobs_redis._redis.store import Claim, Exchange
from tests.lua.test_flows import end_all, states
from tests.support.scripts import Scripts, dump, named


async def started(scripts: Scripts, job: str = "top", options: str = "") -> Claim:
    """Start a job that is not there yet, before all others."""
    await scripts.enqueue(job, options=",p9" + options)
    (claim,) = await scripts.claim(1)
    return claim


async def wait_for(
    scripts: Scripts, claim: Claim, *names: str, policy: str = "f", limit: int = 0
) -> Exchange:
    """Let a job that the last exchange claimed wait for others."""
    ended = scripts.ended(claim, "w", "", named(names, policy))
    return await scripts.exchange(ended, limit=limit)


async def parents(scripts: Scripts, job: str) -> list[str]:
    """Return the ids of the parents of a job, with the letters of their states."""
    _, _, *rows = await scripts.run("parents", job, 0)
    return [f"{name.decode()} {letter.decode()}" for name, letter, _ in rows]


async def reason(scripts: Scripts, job: str) -> tuple[str, str]:
    """Return the type and the message of the last error of a job."""
    lines = await scripts.raw.hget(scripts.key("errors"), job)
    error = json.loads(lines.splitlines()[-1])
    return error["type"], error["message"]


@pytest.mark.requirement("B13", "T63")
async def test_it_waits_for_all_and_runs_again_as_it_was(scripts: Scripts) -> None:
    claim = await started(scripts)
    token = f"{claim.fence},{scripts.nonce}"
    await scripts.run("jot", claim.id, token, "s", 1, b"state")
    await scripts.enqueue("a", "b", "later")
    reply = await wait_for(scripts, claim, "a", "b")

    assert (reply.lost, reply.told, reply.claims) == ([], (), [])
    assert await states(scripts, "top", "a", "b", "later") == "bqqq"
    assert await scripts.raw.zcard(scripts.key("leases")) == 0
    (first,) = await scripts.claim(1)
    second = await scripts.exchange(scripts.ended(first, "c", "", b"one"), limit=1)
    assert await states(scripts, "top", "a") == "bc"
    last = await scripts.exchange(scripts.ended(second.claims[0], "c", "", b"two"), limit=1)
    (again,) = last.claims
    assert again.id == b"top", "its priority is higher than that of the one that is left"
    assert (again.failures, again.lost, again.generation, again.carries) == (0, 0, 1, True)
    assert await parents(scripts, "top") == ["a c", "b c"]


async def test_one_that_is_named_twice_counts_once(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    claim = await started(scripts)
    await wait_for(scripts, claim, "a", "a")

    assert [claim.id for claim in await end_all(scripts, limit=1)] == [b"top"]
    assert await parents(scripts, "top") == ["a c"]


async def test_it_goes_to_the_tail_of_its_priority(scripts: Scripts) -> None:
    await scripts.enqueue("top", "a", "b", "c")
    top, a = await scripts.claim(2)
    nonce = scripts.nonce
    await scripts.exchange(scripts.ended(top, "w", "", named(["a"])), nonce=nonce)
    await scripts.exchange(scripts.ended(a), nonce=nonce)

    assert await scripts.claim_ids() == [b"b", b"c", b"top"]


async def test_those_that_have_completed_count_at_once(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    await end_all(scripts)
    claim = await started(scripts)
    reply = await wait_for(scripts, claim, "b", "a", "b", limit=5)

    assert [claim.id for claim in reply.claims] == [b"top"]
    assert await parents(scripts, "top") == ["b c", "a c"]
    assert await scripts.raw.hget(scripts.key("flows"), "ntop") is None


async def test_one_that_ends_in_the_same_call_counts_too(scripts: Scripts) -> None:
    await scripts.enqueue("top", "a", "b")
    top, a, b = await scripts.claim()
    ends = [scripts.ended(a, "c", "", b"1"), scripts.ended(top, "w", "", named(["a", "b"]))]
    await scripts.exchange(*ends, nonce=scripts.nonce)
    assert await states(scripts, "top", "a", "b") == "bcr"
    last = scripts.ended(b, "c", "0", b"2")
    assert [each.id for each in (await scripts.exchange(last, limit=1)).claims] == [b"top"]
    assert await parents(scripts, "top") == ["a c", "b c"], "kept, since it may still be read"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("code", ["d", "x"])
@pytest.mark.parametrize(("policy", "state"), [("f", "d"), ("c", "x"), ("r", "r"), ("n", "r")])
async def test_each_policy_for_one_that_failed(
    scripts: Scripts, code: str, policy: str, state: str, when: str
) -> None:
    await scripts.enqueue("a")
    if when == "before":
        await end_all(scripts, code)
    claim = await started(scripts)
    await wait_for(scripts, claim, "a", policy=policy)
    if when == "after":
        await end_all(scripts, code)
    await scripts.exchange(limit=1)

    assert await states(scripts, "a", "top") == code + state
    if state != "r":
        kind, message = await reason(scripts, "top")
        assert kind == "parent_failed"
        assert message.startswith("job a, on which it depends, ")


async def test_what_it_said_of_its_parents_when_it_was_enqueued_counts(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"before": [], "top": ["before"]}, options=",fr")
    (claim,) = await end_all(scripts, limit=1)
    await scripts.enqueue("a")
    await wait_for(scripts, claim, "a", policy="f")
    await end_all(scripts, "d")

    assert await states(scripts, "top", "a") == "qd"
    assert await parents(scripts, "top") == ["before c", "a d"]
    _, policy, *_ = await scripts.run("parents", "top", 0)
    assert policy == b"r"


async def test_those_that_it_names_are_judged_as_the_job_says_and_not_by_an_edge(
    scripts: Scripts,
) -> None:
    # Of two parents the first one may fail; what comes later is as for all others.
    await scripts.enqueue_flow({"p": [], "q": [], "top": ["p", "q"]}, options=",ffrf")
    p, q = await scripts.claim()
    ends = [scripts.ended(p, "d", "", "{}"), scripts.ended(q)]
    (claim,) = (await scripts.exchange(*ends, limit=1, nonce=scripts.nonce)).claims
    nonce = scripts.nonce
    await scripts.enqueue("a")
    scripts.nonce = nonce
    await wait_for(scripts, claim, "a", policy="r")
    await end_all(scripts, "d")

    assert await states(scripts, "top") == "d"


async def test_who_runs_at_once_may_wait_again_for_the_rest(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    claim = await started(scripts)
    await wait_for(scripts, claim, "a", "b", policy="n")
    (first,) = await scripts.claim(1)
    nonce = scripts.nonce
    failed = scripts.ended(first, "d", "", "{}")
    (claim,) = (await scripts.exchange(failed, limit=1, nonce=nonce)).claims
    assert (claim.id, await states(scripts, "a", "b")) == (b"top", "dq")
    scripts.nonce = nonce
    await wait_for(scripts, claim, "b")
    assert await states(scripts, "top") == "b"
    await end_all(scripts)
    assert await states(scripts, "top") == "q"
    assert await parents(scripts, "top") == ["a d", "b c"]


@pytest.mark.parametrize(("policy", "state"), [("f", "d"), ("c", "x"), ("r", "q"), ("n", "q")])
async def test_one_that_is_not_there_is_as_one_that_was_removed(
    scripts: Scripts, policy: str, state: str
) -> None:
    claim = await started(scripts)
    await wait_for(scripts, claim, "nobody", policy=policy)

    assert await states(scripts, "top") == state
    if state != "q":
        assert await reason(scripts, "top") == (
            "parent_failed",
            "job nobody, on which it depends, was removed",
        )


async def test_who_waits_twice_has_the_second_ones_behind_the_first(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b", "c")
    claim = await started(scripts)
    await wait_for(scripts, claim, "b", policy="r")
    await end_all(scripts)
    (claim,) = await scripts.claim(1)
    await scripts.enqueue("d")
    blob = await scripts.raw.hget(scripts.key("jobs"), "top")
    await wait_for(scripts, claim, "d", "b", "a")
    assert await states(scripts, "top") == "b"
    await end_all(scripts, "d")

    assert await states(scripts, "top") == "q"
    assert await parents(scripts, "top") == ["b c", "d d", "a c"]
    assert await scripts.raw.hget(scripts.key("jobs"), "top") == blob
    assert blob.partition(b"\n")[0].endswith(b",fr,P0")


async def test_one_that_runs_again_by_now_is_waited_for(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    claim = await started(scripts)
    await wait_for(scripts, claim, "a")
    await end_all(scripts)
    (claim,) = await scripts.claim(1)
    await scripts.operate("replay", "c", "a")
    await wait_for(scripts, claim, "a")

    assert await states(scripts, "top", "a") == "bq"
    assert [claim.id for claim in await end_all(scripts, limit=1)] == [b"top"]
    assert await parents(scripts, "top") == ["a c"]


async def test_a_copy_of_the_call_changes_nothing(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    claim = await started(scripts)
    ended = scripts.ended(claim, "w", "", named(["a"]))
    await scripts.exchange(ended, counter=1, incarnation="ee")
    before = await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")

    reply = await scripts.exchange(ended, counter=1, incarnation="ee")
    assert (reply.lost, reply.told) == ([], ())
    assert await dump(scripts.raw, f"*{{{scripts.store.queue}}}*") == before
    refused = await scripts.exchange(ended, counter=2, incarnation="ee")
    assert refused.lost == [b"top"]
    await end_all(scripts)
    assert await states(scripts, "top") == "q"


async def test_an_old_token_names_nothing(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    claim = await started(scripts)
    nonce = scripts.nonce
    await scripts.expire_lease("top")
    await scripts.exchange()
    scripts.nonce = nonce
    reply = await wait_for(scripts, claim, "a")

    assert reply.lost == [b"top"]
    assert await states(scripts, "top") == "q"
    assert await scripts.raw.exists(scripts.key("edges"), scripts.key("flows")) == 0


async def test_one_that_was_to_be_cancelled_is(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    claim = await started(scripts)
    nonce = scripts.nonce
    await scripts.operate("cancel", "top", "{}")
    scripts.nonce = nonce
    reply = await wait_for(scripts, claim, "a")

    assert reply.told[3] == [b"top"]
    assert await states(scripts, "top") == "x"


async def test_leases_that_ran_out_before_are_forgiven(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    await started(scripts)
    for _ in range(2):
        await scripts.expire_lease("top")
        await scripts.exchange()
        (claim,) = (await scripts.exchange(limit=1)).claims
    assert claim.lost == 2
    await wait_for(scripts, claim, "a")
    await end_all(scripts)

    assert (await scripts.claim(1))[0].lost == 0


async def test_who_waits_for_itself_dies(scripts: Scripts) -> None:
    claim = await started(scripts)
    reply = await wait_for(scripts, claim, "top")

    text = "job top cannot wait for job top, which waits for it, maybe through others"
    assert await states(scripts, "top") == "d"
    assert await reason(scripts, "top") == ("wait_refused", text)
    assert reply.told == [[], [], [], [], [b"top", text.encode()]]


@pytest.mark.parametrize("between", [[], ["m"], ["m", "n"]])
async def test_who_waits_for_one_that_waits_for_it_dies(
    scripts: Scripts, between: list[str]
) -> None:
    await scripts.enqueue("free")
    claim = await started(scripts)
    nonce = scripts.nonce
    chain = ["top", *between, "last"]
    flow = {child: [parent] for parent, child in pairwise(chain)}
    await scripts.enqueue_flow(flow)
    scripts.nonce = nonce
    await wait_for(scripts, claim, "free", "last")

    assert await states(scripts, "top", "last", "free") == "ddq"
    _, message = await reason(scripts, "top")
    assert message.startswith("job top cannot wait for job last, which waits for it")


async def test_two_that_name_each_other_do_not_both_wait(scripts: Scripts) -> None:
    await scripts.enqueue("one", "other")
    one, other = await scripts.claim()
    ends = [
        scripts.ended(one, "w", "", named(["other"], "r")),
        scripts.ended(other, "w", "", named(["one"], "r")),
    ]
    await scripts.exchange(*ends, nonce=scripts.nonce)

    assert await states(scripts, "one", "other") == "qd"


async def test_a_job_that_is_waited_for_may_wait_for_others(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"top": [], "end": ["top"]})
    (claim,) = await scripts.claim(1)
    nonce = scripts.nonce
    await scripts.enqueue("a")
    scripts.nonce = nonce
    await wait_for(scripts, claim, "a")
    await end_all(scripts)
    assert await states(scripts, "top", "end") == "qb"
    await end_all(scripts)

    assert await states(scripts, "top", "end") == "cq"


async def test_more_than_it_may_have_are_refused(scripts: Scripts) -> None:
    names = [f"a{n:03}" for n in range(250)]
    await scripts.enqueue(*names[:249])
    await scripts.enqueue_flow({"before": [], "top": ["before"], "other": ["before"]})
    await end_all(scripts)
    other, top = await scripts.claim(2)
    nonce = scripts.nonce
    await scripts.exchange(scripts.ended(top, "w", "", named(names[:249], "r")), nonce=nonce)
    reply = await scripts.exchange(scripts.ended(other, "w", "", named(names)), nonce=nonce)

    assert await states(scripts, "top", "other") == "qd"
    assert b"would wait for 251 jobs, those that it had before included" in reply.told[4][1]
    assert len(await parents(scripts, "top")) == 250


async def test_its_slot_is_free_meanwhile_and_its_key_is_not(scripts: Scripts) -> None:
    await scripts.run("limit", "kk", "1,,")
    await scripts.enqueue("top", options=",gk,udk:once", needs=2)
    await scripts.enqueue("a", options=",gk")
    (claim,) = await scripts.claim()
    reply = await wait_for(scripts, claim, "a", limit=5)

    assert [claim.id for claim in reply.claims] == [b"a"]
    flags = await scripts.enqueue("late", options=",udk:once", needs=2)
    assert flags[:2] == [b"OK", b"3"]
    (again,) = (await scripts.exchange(scripts.ended(reply.claims[0]), limit=5)).claims
    assert again.id == b"top"
    await scripts.exchange(scripts.ended(again), nonce=scripts.nonce)
    assert (await scripts.enqueue("late", options=",udk:once", needs=2))[:2] == [b"OK", b"1"]


async def test_one_that_died_of_a_job_that_it_named_runs_again_with_it(scripts: Scripts) -> None:
    await scripts.enqueue("a", "b")
    claim = await started(scripts)
    await wait_for(scripts, claim, "a", "b")
    (first,) = await scripts.claim(1)
    await scripts.exchange(scripts.ended(first, "d", "", "{}"), nonce=scripts.nonce)
    await end_all(scripts)
    assert await states(scripts, "top", "a", "b") == "ddc"

    assert await scripts.operate("replay", "d", "a") == [b"d", b"+top"]
    assert await states(scripts, "top", "a", "b") == "bqc"
    (again,) = await end_all(scripts, limit=1)
    assert (again.id, again.generation) == (b"top", 2)
    assert await parents(scripts, "top") == ["a c", "b c"]


async def test_one_that_died_and_is_replayed_by_itself_runs_at_once(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    claim = await started(scripts)
    await wait_for(scripts, claim, "a")
    await end_all(scripts, "d")
    await scripts.operate("replay", "d", "top")

    assert await states(scripts, "top") == "q"
    assert await parents(scripts, "top") == ["a d"]


@pytest.mark.parametrize("before", [[], ["x", "y"]])
async def test_one_that_completed_forgets_what_it_named(
    scripts: Scripts, before: list[str]
) -> None:
    await scripts.enqueue_flow({**{job: [] for job in before}, "top": before, "a": [], "b": []})
    if before:
        x, y, *_ = await scripts.claim(2)
        ends = [scripts.ended(x), scripts.ended(y)]
        await scripts.exchange(*ends, nonce=scripts.nonce)
    claims = {claim.id: claim for claim in await scripts.claim()}
    nonce = scripts.nonce
    top = scripts.ended(claims[b"top"], "w", "", named(["a", "b"]))
    await scripts.exchange(top, scripts.ended(claims[b"a"]), nonce=nonce)
    scripts.nonce = nonce
    await scripts.exchange(scripts.ended(claims[b"b"]), nonce=nonce)
    await end_all(scripts)
    assert await states(scripts, "top") == "c"
    await scripts.operate("replay", "c", "top")

    assert await states(scripts, "top") == "q"
    assert await parents(scripts, "top") == [f"{job} c" for job in before]
    members = await scripts.raw.zrange(scripts.key("edges"), 0, -1)
    assert members == [b"1:%b,dtop" % job.encode() for job in before]
    assert b",P" not in await scripts.raw.hget(scripts.key("jobs"), "top")


async def test_removed_while_it_waits_it_leaves_nothing(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    claim = await started(scripts)
    await wait_for(scripts, claim, "a")
    await scripts.operate("remove", "b", 0, "top")
    await end_all(scripts)

    assert await scripts.raw.exists(scripts.key("edges"), scripts.key("flows")) == 0


async def test_one_that_is_removed_while_another_waits_for_it_fails_that(scripts: Scripts) -> None:
    await scripts.enqueue("a")
    claim = await started(scripts)
    await wait_for(scripts, claim, "a")
    await scripts.operate("remove", "q", 0, "a")
    await scripts.exchange()

    assert await states(scripts, "top") == "d"
    assert await reason(scripts, "top") == (
        "parent_failed",
        "job a, on which it depends, was removed",
    )


async def test_one_that_goes_on_with_what_it_named_is_not_replaced(scripts: Scripts) -> None:
    await scripts.enqueue("top", options=",p9,udr:once", needs=2)
    (claim,) = await scripts.claim(1)
    nonce = scripts.nonce
    await scripts.enqueue("a")
    scripts.nonce = nonce
    await wait_for(scripts, claim, "a")
    await end_all(scripts, "d")
    await scripts.operate("replay", "d", "top")
    flags = await scripts.enqueue("late", options=",udr:once", spec=b"other", needs=2)

    assert flags[:2] == [b"OK", b"3"]
    assert await states(scripts, "top", "late") == "q"
    assert (await scripts.raw.hget(scripts.key("jobs"), "top")).endswith(b"\nspec")


async def test_a_queue_without_flows_says_so_before_it_writes(scripts: Scripts) -> None:
    claim = await started(scripts)
    flat = list(scripts.ended(claim, "w", "", named(["a"])))
    head = (scripts.incarnation, 50, "ff", "w1", 0, 1, 0, 1, 1, "work")
    before = await dump(scripts.raw, f"*{{{scripts.store.queue}}}*")

    assert (await scripts.run("exchange_plain", *head, *flat))[0] == b"WHOLE"
    assert await dump(scripts.raw, f"*{{{scripts.store.queue}}}*") == before
