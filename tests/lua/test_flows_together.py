"""Jobs that end in one call: those of flows are found among those of none, and all are told."""

from __future__ import annotations

import pytest

from tests.lua.test_flows import end_all, states
from tests.support.scripts import Scripts

PLAIN = [f"p{n:02}" for n in range(20)]


async def tell_the_rest(scripts: Scripts) -> None:
    """Let the calls that follow do what one had no time for."""
    for _ in range(40):
        await scripts.exchange()


@pytest.mark.parametrize("argument", ["", 0], ids=["kept", "not kept"])
@pytest.mark.parametrize("where", ["first", "between", "last"])
async def test_whoever_has_children_tells_them_wherever_it_stands(
    scripts: Scripts, where: str, argument: int | str
) -> None:
    parent = {"first": "a0", "between": "p05a", "last": "z9"}[where]
    await scripts.enqueue(*PLAIN)
    await scripts.enqueue_flow({parent: [], "child": [parent]})
    (child,) = await end_all(scripts, argument=argument, limit=50)

    assert child.id == b"child"
    assert await scripts.run("parents", "child", 0) == [1, b"f", [parent.encode(), b"c", b"value"]]
    kept = "" if argument == 0 else "c"
    assert await states(scripts, *PLAIN) == kept * len(PLAIN)
    assert await states(scripts, parent) == "c", "the child reads what it returned"


@pytest.mark.parametrize("children", [1, 3, 60])
async def test_many_parents_among_many_jobs_each_tell_all_of_theirs(
    scripts: Scripts, children: int
) -> None:
    parents = [f"p{n:02}x" for n in range(5)]
    flow: dict[str, list[str]] = {parent: [] for parent in parents}
    names = [f"{parent}-{n}" for parent in parents for n in range(children)]
    flow |= {name: [name.partition("-")[0]] for name in names}
    await scripts.enqueue(*PLAIN)
    await scripts.enqueue_flow(flow)
    await end_all(scripts)
    await tell_the_rest(scripts)

    assert await states(scripts, *names) == "q" * len(names)
