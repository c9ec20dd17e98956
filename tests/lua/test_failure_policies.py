"""What the failure of a parent means for a child: one letter for all parents, or one for each."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.support.scripts import Scripts


async def states(scripts: Scripts, *jobs: str) -> str:
    return "".join([letter.decode() for letter in await scripts.run("states", *jobs)])


async def end(scripts: Scripts, **codes: str) -> None:
    """Claim all that is ready, and end each by its code."""
    for claim in await scripts.claim():
        code = codes[claim.id.decode()]
        value = json.dumps({"type": "Fail"}) if code in "dx" else b"value"
        await scripts.exchange(scripts.ended(claim, code, "", value), nonce=scripts.nonce)


@pytest.mark.requirement("B14")
@pytest.mark.parametrize(
    ("letters", "codes", "state"),
    [
        ("rf", "dc", "q"),
        ("rf", "cd", "d"),
        ("rf", "dd", "d"),
        ("rc", "xc", "q"),
        ("rc", "cx", "x"),
        ("cf", "dc", "x"),
        ("cf", "cd", "d"),
        ("rr", "dx", "q"),
        ("r", "dc", "q"),
        ("r", "cd", "d"),
    ],
)
async def test_each_parent_has_its_own(
    scripts: Scripts, letters: str, codes: str, state: str
) -> None:
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a", "b"]}, options=f",ff{letters}")
    await end(scripts, a=codes[0], b=codes[1])

    assert await states(scripts, "a", "b", "c") == codes + state


async def test_a_cancelled_child_takes_what_is_behind_it_along(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"]}, options=",fc")
    await scripts.enqueue_flow({"c": ["b"], "d": ["c"]})
    await scripts.enqueue_flow({"runs": ["c"]}, options=",fr")
    await end(scripts, a="d")

    assert await states(scripts, "a", "b", "c", "d", "runs") == "dxxxq"


async def test_it_goes_on_behind_what_one_call_may_tell(scripts: Scripts) -> None:
    """In a chain that takes several calls, and where those in front are not to be kept."""
    names = [f"{at:03}" for at in range(150)]
    await scripts.enqueue_flow({"a": [], names[0]: ["a"]}, options=",fc,c0")
    chain = {name: [before] for before, name in itertools.pairwise(names)}
    await scripts.enqueue_flow(chain, options=",ff,c0")
    await scripts.enqueue_flow({"last": [names[-1]]})
    await end(scripts, a="d")
    while await states(scripts, "last") == "b":
        await scripts.exchange()

    assert await states(scripts, "last") == "x"


async def test_what_somebody_cancelled_only_fails_what_is_behind_it(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": ["a"], "c": ["b"]}, options=",ff")
    await scripts.operate("cancel", "b", json.dumps({"type": "cancelled"}))

    assert await states(scripts, "a", "b", "c") == "qxd"


async def test_one_that_failed_and_does_not_matter_keeps_no_child_dead(scripts: Scripts) -> None:
    """Neither where the other one is replayed, nor where the child is replayed with it."""
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a", "b"]}, options=",ffrf")
    await end(scripts, a="d", b="d")
    assert await states(scripts, "a", "b", "c") == "ddd"

    await scripts.operate("replay", "cdx", "b")
    assert await states(scripts, "a", "b", "c") == "dqb"
    await end(scripts, b="d")
    reply = await scripts.operate("replay", "dP", "b", "c")

    assert reply == [b"d", b"d"]
    assert await states(scripts, "a", "b", "c") == "dqb"
    await end(scripts, b="c")
    assert await states(scripts, "c") == "q"


async def test_a_child_stays_that_would_run_without_one_that_matters(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a", "b"]}, options=",ffrf")
    await end(scripts, a="d", b="d")

    assert await scripts.operate("replay", "dP", "a", "c") == [b"d", b"p"]
    assert await states(scripts, "a", "b", "c") == "qdd"


async def test_who_reads_the_results_is_told_of_each(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a", "b"]}, options=",ffrf")

    count, letters, *_ = await scripts.run("parents", "c", 0)

    assert (count, letters) == (2, b"frf")


@pytest.mark.parametrize("code", ["d", "x"])
async def test_one_that_runs_now_waits_for_no_other(scripts: Scripts, code: str) -> None:
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a", "b"], "e": ["c"]}, options=",fn")
    first, second = await scripts.claim()
    ended = scripts.ended(second, "c", "", b"late")
    await scripts.exchange(scripts.ended(first, code, "", "{}"), nonce=scripts.nonce)
    assert await states(scripts, "a", "b", "c", "e") == code + "rqb"
    (child,) = await scripts.claim()
    nonce = scripts.nonce

    # The other one ends while it runs, whose result it may read then.
    await scripts.exchange(ended, nonce=nonce)

    assert await states(scripts, "b", "c", "e") == "crb"
    rows = (await scripts.run("parents", "c", 0))[2:]
    assert rows == [[b"a", code.encode(), b"{}"], [b"b", b"c", b"late"]]
    await scripts.exchange(scripts.ended(child), nonce=nonce)
    assert await states(scripts, "c", "e") == "cq"


async def test_one_that_runs_now_waits_as_ever_for_those_that_complete(scripts: Scripts) -> None:
    await scripts.enqueue_flow({"a": [], "b": [], "c": ["a", "b"]}, options=",fn")
    first, second = await scripts.claim()
    await scripts.exchange(scripts.ended(first), nonce=scripts.nonce)
    assert await states(scripts, "a", "b", "c") == "crb"
    await scripts.exchange(scripts.ended(second), nonce=scripts.nonce)

    assert await states(scripts, "c") == "q"


async def test_one_that_runs_now_waits_for_its_gate(scripts: Scripts) -> None:
    gate = "\udcffother,\udcffgate"
    await scripts.enqueue_flow({"a": [], "b": [], "c": [gate, "a", "b"]}, options=",fn")
    (first,) = await scripts.claim(1)
    await scripts.exchange(scripts.ended(first, "d", "", "{}"), nonce=scripts.nonce)
    assert await states(scripts, "a", "b", "c") == "dqb"
    assert await scripts.run("hear", gate.encode(errors="surrogateescape"), 5, "1c", "") == [b"1"]

    assert await states(scripts, "b", "c") == "qq"
