"""Chains, groups and joins say which job waits for which; a tree of them can be drawn."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Edge, Flow, FlowTree, JobState, Queue, chain, group, join
from aiojobs_redis.task import BoundCall
from aiojobs_redis.tree import Place, Relatives, deepest_first

queue = Queue("flows", "memory://flows")


def call(name: str, **options: Any) -> BoundCall[Any]:
    return queue.bind("task", name, id=name, **options)


def shape(flow: Flow) -> dict[str, list[str]]:
    """Return the parents of each job of a flow, by the ids."""
    return {
        each.id: [parent.id for parent in each.call.options.values.get("depends_on", ())]
        for each in flow.placed(queue)
    }


def test_each_part_of_a_chain_waits_for_the_one_before() -> None:
    flow = chain(call("a"), call("b"), call("c"))

    assert shape(flow) == {"a": [], "b": ["a"], "c": ["b"]}
    assert repr(flow) == "<Flow of 3 jobs>"


def test_a_join_waits_for_the_ends_of_all_parts() -> None:
    flow = join(group(call("a"), chain(call("b"), call("c")), call("d")), call("e"))

    assert shape(flow) == {"a": [], "b": [], "c": ["b"], "d": [], "e": ["a", "c", "d"]}


def test_flows_nest() -> None:
    inner = group(call("b"), call("c"))
    flow = chain(call("a"), inner, group(call("d"), join(group(call("e"), call("f")), call("g"))))

    assert shape(flow) == {
        "a": [],
        **{"b": ["a"], "c": ["a"]},
        **{"d": ["b", "c"], "e": ["b", "c"], "f": ["b", "c"], "g": ["e", "f"]},
    }


def test_an_edge_leads_from_the_ends_of_its_part_to_what_is_behind_them() -> None:
    inner = chain(call("a"), group(call("b"), Edge(call("c"), on_failure="cancel")))
    flow = chain(Edge(inner, on_failure="run"), group(call("d"), call("e")), call("f"))

    edges = {
        each.id: [one.on_failure for one in each.call.options.values.get("depends_on", ())]
        for each in flow.placed(queue)
    }
    assert shape(flow) == {
        **{"a": [], "b": ["a"], "c": ["a"]},
        **{"d": ["b", "c"], "e": ["b", "c"], "f": ["d", "e"]},
    }
    assert edges == {
        **{"a": [], "b": [None], "c": [None]},
        **{"d": ["run", "cancel"], "e": ["run", "cancel"], "f": [None, None]},
    }


def test_what_a_call_depends_on_besides_stays() -> None:
    flow = chain(call("a", depends_on=["x"]), call("b", depends_on=["x", "a"]))

    assert shape(flow) == {"a": ["x"], "b": ["a", "x"]}


def test_a_flow_without_ids_gets_new_ones_each_time() -> None:
    flow = chain(queue.bind("task"), queue.bind("task"))

    first, second = (list(shape(flow)) for _ in range(2))

    assert len({*first, *second}) == 4


@pytest.mark.parametrize("build", [chain, group])
@pytest.mark.parametrize("parts", [(), (5,), ("task",), (call("a"), [call("b")])])
def test_what_is_no_part_of_a_flow_is_refused(build: Any, parts: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigInvalid, match=build.__name__):
        build(*parts)


def test_two_jobs_of_one_id_are_refused() -> None:
    with pytest.raises(ConfigInvalid, match="two jobs of the flow have the id 'a'"):
        group(call("a"), call("a")).placed(queue)


def test_a_tree_is_drawn_around_its_job() -> None:
    first = FlowTree("1", "fetch", JobState.COMPLETED)
    left = FlowTree("2", "parse", JobState.COMPLETED, [first])
    right = FlowTree("3", "scan", JobState.DEAD, [first])
    below = FlowTree("6", "notify", JobState.BLOCKED)
    tree = FlowTree(
        *("4", "store", JobState.RUNNING),
        [left, right],
        [FlowTree("5", None, None, [], [below]), below],
    )

    assert str(tree).splitlines() == [
        "  ┌ fetch 1 completed (shown already)",
        "┌ parse 2 completed",
        "  ┌ fetch 1 completed",
        "┌ scan 3 dead",
        "store 4 running",
        "└ ? 5 gone",
        "  └ notify 6 blocked",
        "└ notify 6 blocked (shown already)",
    ]


def test_dependents_are_cancelled_before_what_they_wait_for() -> None:
    a, b, c, d, elsewhere = (Place("q", id) for id in ("a", "b", "c", "d", "elsewhere"))
    kin = {
        a: Relatives([], [b, c]),
        b: Relatives([a], [d]),
        c: Relatives([a], [d, elsewhere]),
        d: Relatives([b, c], []),
    }

    assert deepest_first(kin) == [d, b, c, a]
