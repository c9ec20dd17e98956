"""The check that runs after every test of a queue finds each kind of damage."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.invariants import CHECKS, faults
from tests.support.snapshots import HASHES, OTHER_SETS, SORTED_SETS, Snapshot

RUN = b"%s,%s,%s,%s,1,0,0,w,5,%s,e1"
QUEUED = float(1023 * 2**42 + 5)


def healthy() -> Snapshot:
    """Return a queue with one job in every state."""
    copy = Snapshot(
        names=frozenset({b"test:{q}:jobs", b"test:{q}:meta"}),
        hashes={name: {} for name in HASHES},
        sets={name: {} for name in SORTED_SETS},
        others={name: {} for name in OTHER_SETS},
        passing=set(),
    )
    copy.hashes["meta"].update({b"schema": b"1", b"sequence": b"5", b"fence": b"9"})
    indexes = {"r": "leases", "s": "scheduled", "t": "retrying", "c": "kept", "d": "dead"}
    for letter, index in (indexes | {"x": "cancelled", "b": "blocked"}).items():
        job = letter.encode()
        copy.hashes["jobs"][job] = b",e1\nspec"
        token = (b"9", b"ab") if letter == "r" else (b"", b"")
        copy.hashes["runs"][job] = RUN % (job, *token, b"7", b"6" if letter in "cdx" else b"")
        copy.sets[index][job] = 5.0
    copy.hashes["jobs"][b"q"] = b",e1\nspec"
    copy.sets["ready"][b"q"] = QUEUED
    copy.hashes["runs"][b"b"] += b",nrare"
    copy.sets["unknown"][b"rare,0000000000000007,b"] = 0.0
    copy.hashes["runs"][b"s"] += b",udk:work/k"
    copy.hashes["unique"][b"work/k"] = b",s"
    copy.hashes["results"][b"c"] = b"value"
    copy.hashes["errors"][b"d"] = b"{}"
    copy.hashes["waiters"][b"r"] = b"here"
    return copy


def test_a_queue_with_a_job_in_every_state_has_no_faults() -> None:
    assert faults(healthy()) == []


def test_a_queue_that_was_never_used_has_no_faults() -> None:
    hashes: dict[str, dict[bytes, bytes]] = {name: {} for name in HASHES}
    empty = Snapshot(frozenset(), hashes, {name: {} for name in SORTED_SETS})

    assert faults(empty) == []


DAMAGES: dict[str, Callable[[Snapshot], object]] = {
    "only_the_fixed_keys_exist": lambda copy: copy.hashes["meta"].clear(),
    "every_job_is_in_the_one_index_of_its_state": lambda copy: copy.sets["ready"].clear(),
    "every_index_member_has_a_spec": lambda copy: copy.sets["dead"].update({b"no": 1.0}),
    "every_run_record_is_whole_and_has_a_spec": lambda copy: copy.hashes["jobs"].pop(b"t"),
    "only_running_jobs_have_a_token": lambda copy: copy.hashes["runs"].update(
        {b"r": RUN % (b"r", b"", b"ab", b"7", b"")}
    ),
    "results_are_of_completed_jobs": lambda copy: copy.hashes["results"].update({b"q": b""}),
    "errors_are_of_known_jobs": lambda copy: copy.hashes["errors"].update({b"no": b"{}"}),
    "unknown_tasks_match_blocked_jobs": lambda copy: copy.sets["unknown"].clear(),
    "counted_tasks_are_listed": lambda copy: copy.hashes["stats"].update(
        {b"7,work,dead": b"1", b"7,other,dead": b"1", b"7": b",work"}
    ),
    "waiters_are_of_unfinished_jobs": lambda copy: copy.hashes["waiters"].update({b"c": b"x"}),
    "ready_scores_are_in_the_band_of_their_priority": lambda copy: copy.sets["ready"].update(
        {b"q": 5.0}
    ),
    "what_is_left_is_of_known_jobs": lambda copy: copy.hashes["extras"].update({b"pno": b"1,1,x"}),
    "an_unfinished_job_says_what_it_carries": lambda copy: copy.hashes["extras"].update(
        {b"sr": b"1,1,x"}
    ),
    "calls_are_looked_at_again": lambda copy: copy.hashes["once"].update({b"k": b"o,,1,ab,r"}),
    "slots_are_what_jobs_hold_or_wait_for": lambda copy: copy.others["slots"].update(
        {b"hka,r": 0.0}
    ),
    "a_job_is_in_the_line_of_its_key_until_it_starts": lambda copy: copy.others["slots"].update(
        {b"lk,q": 0.0}
    ),
    "who_goes_by_an_order_of_its_key_waits": lambda copy: copy.others["slots"].update(
        {b"w0,k,9990,0000000000000007,q": 0.0}
    ),
    "nobody_is_held_back_where_there_is_room": lambda copy: copy.others["slots"].update(
        {b"pka,1,0000000000000007,b": 0.0}
    ),
    "suspects_are_what_lost_two_leases": lambda copy: copy.sets["suspects"].update(
        {b"q": copy.sets["ready"].pop(b"q")}
    ),
    "lost_leases_are_within_the_limit": lambda copy: copy.hashes["runs"].update(
        {b"t": b"t,,,,1,0,3,w,5,,e1"}
    ),
    "tokens_are_unique_and_were_given_out": lambda copy: copy.hashes["meta"].update(
        {b"fence": b"8"}
    ),
    "no_two_jobs_share_a_place": lambda copy: copy.sets["ready"].update({b"other": QUEUED}),
    "finished_jobs_say_when": lambda copy: copy.hashes["runs"].update(
        {b"d": RUN % (b"d", b"", b"", b"", b"")}
    ),
    "dead_jobs_have_an_error": lambda copy: copy.hashes["errors"].clear(),
    "only_running_jobs_are_to_be_cancelled": lambda copy: copy.hashes["runs"].update(
        {b"t": copy.hashes["runs"][b"t"] + b",z"}
    ),
    "unique_keys_name_the_one_that_holds_them": lambda copy: copy.hashes["unique"].update(
        {b"work/k": b",q"}
    ),
    "followers_wait_for_unfinished_jobs": lambda copy: copy.hashes["followers"].update(
        {b"d": b"work/k,b"}
    ),
    "ticks_are_of_active_schedules": lambda copy: copy.others["ticks"].update({b"s": 5.0}),
    "blocked_jobs_wait_for_something": lambda copy: copy.hashes["flows"].update({b"nb": b"1"}),
    "each_parent_has_one_edge_to_its_child": lambda copy: copy.others["edges"].update(
        {b"1:r,ft": 0.0}
    ),
    "edges_that_are_to_be_written_are_of_what_has_ended": lambda copy: copy.others["edges"].update(
        {b"*q": 0.0}
    ),
    "edges_say_how_far_the_child_is": lambda copy: copy.others["edges"].update({b"1:r,ax": 0.0}),
    "who_waits_for_another_queue_is_told": lambda copy: copy.others["edges"].update(
        {b"?\xffother,c": 0.0}
    ),
    "other_queues_are_told_of_what_has_ended": lambda copy: copy.others["edges"].update(
        {b"1:c,bother": 0.0}
    ),
    "nobody_waits_for_what_has_ended": lambda copy: copy.others["edges"].update({b"1:c,ab": 0.0}),
    "a_queue_that_looks_plain_is_plain": lambda copy: copy.hashes["runs"].update(
        {b"t": copy.hashes["runs"][b"t"] + b",gkey"}
    ),
    "no_key_goes_by_itself": lambda copy: copy.passing.add("jobs"),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_each_check_finds_its_damage(check: Callable[[Snapshot], object]) -> None:
    copy = healthy()
    DAMAGES[check.__name__](copy)

    assert any(fault.startswith(check.__name__) for fault in faults(copy))


def test_two_fences_of_one_number_are_found() -> None:
    copy = healthy()
    copy.hashes["runs"][b"r2"] = copy.hashes["runs"][b"r"]
    copy.hashes["jobs"][b"r2"] = copy.hashes["jobs"][b"r"]
    copy.sets["leases"][b"r2"] = 5.0

    assert [fault.split(":")[0] for fault in faults(copy)] == [
        "tokens_are_unique_and_were_given_out"
    ]


def test_a_job_in_two_indexes_is_found() -> None:
    copy = healthy()
    copy.sets["dead"][b"q"] = 5.0
    copy.hashes["errors"][b"q"] = b"{}"

    assert [fault.split(":")[0] for fault in faults(copy)] == [
        "every_job_is_in_the_one_index_of_its_state"
    ]
