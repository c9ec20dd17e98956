"""The invariants of a step find what they are for, each on a step that was made wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.model.reference.exchange import Completion, Exchange
from tests.model.reference.job import Token
from tests.model.reference.limits import Rule
from tests.model.reference.notes import Note
from tests.model.steps import STEP_CHECKS, History, Step, step_faults

NOW = 1_000


def job(state: str = "queued", **fields: Any) -> dict[str, Any]:
    """Return a job in the form of a dump."""
    base: dict[str, Any] = {"state": state, "place": 5, "suspect": False, "time": None}
    base |= {"token": None, "generation": 1, "failures": 0, "lost": 0, "to_cancel": False}
    written = {"keep_dead": 9, "keep_cancelled": 9}
    base |= {"parked_for": None, "errors": [], "written": written, "held_back": None}
    base |= {"slots": (), "options": {"key": None, "task": None}}
    base |= {"steps": b"", "new_steps": b""}
    return base | fields


def running(fence: int = 1, **fields: Any) -> dict[str, Any]:
    return job("running", token=(fence, "a"), **{"time": NOW + 5, **fields})


def ended_job() -> dict[str, Any]:
    return job("dead", finished=NOW - 5, time=NOW - 5)


def dump(**jobs: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a queue with these jobs."""
    meta = {"paused": False, "most": (None, None, 1)}
    keys: dict[str, Any] = {"jobs": jobs, "meta": meta, "stats": {}, "rules": {}}
    return keys | {
        "schedules": {},
        "batches": {},
        "edges": {},
        "followers": {},
        "queues": {},
        "abroad": {},
        "parents": {},
        "outbox": set(),
    }


def limited(**jobs: dict[str, Any]) -> dict[str, Any]:
    """Return such keys with a limit of 1 for each key, and of 1 start a minute for the queue."""
    return dump(**jobs) | {"rules": {"k*": Rule(1), "q": Rule(None, 1, 60_000)}}


def exchange(
    before: dict[str, Any],
    after: dict[str, Any],
    *claims: str,
    limit: int = 2,
    completions: tuple[Completion, ...] = (),
    status: str = "OK",
    lost: tuple[str, ...] = (),
) -> Step:
    call = Exchange("w", 1, "a", limit=limit, completions=completions)
    claimed = [[name, b"", number, (1, 0, 0, False)] for number, name in enumerate(claims, 1)]
    reply = [status, NOW, -1, -1, list(lost), claimed, [], []]
    return Step("exchange", (call,), NOW, before, after, reply)


def step(name: str, before: dict[str, Any], after: dict[str, Any], *args: Any, reply: Any) -> Step:
    return Step(name, args, NOW, before, after, reply)


def fired() -> Step:
    before, after = dump(), dump(a=job())
    before["schedules"] = {"x": {"revision": "a1", "tick": 5, "runs": 0}}
    after["schedules"] = {"x": {"revision": "a1", "tick": 6, "runs": 2}}
    return step("fire", before, after, "x", "a1", 5, reply="1")


def let_go_early() -> Step:
    before = dump(a=running(), b=job("blocked"))
    before["followers"] = {"a": ("k", "b")}
    return step("cancel", before, dump(a=running(), b=job("scheduled")), reply="running")


OLD = (Completion("a", Token(7, "b")),)
OLD_NOTES = [Note("a", Token(7, "b"), "p", 1, b"x")]
WRONG: dict[str, Callable[[], Step]] = {
    "jobs_go_only_when_they_have_ended": lambda: step("sweep", dump(a=job()), dump(), reply=[1, 0]),
    "removals_take_what_they_name_and_nothing_that_runs": lambda: step(
        "remove", dump(a=job()), dump(), "r-1", ("dead",), 0, ["b"], reply="-"
    ),
    "no_more_are_kept_than_was_asked_for": lambda: step(
        "sweep", dump(), dump(a=ended_job(), b=ended_job()), reply=[0, 2]
    ),
    "claims_stay_within_the_limit": lambda: exchange(
        dump(a=job(), b=job()), dump(a=running(), b=running(2)), "a", "b", limit=1
    ),
    "only_free_jobs_are_claimed": lambda: exchange(
        dump(a=job("scheduled", time=NOW + 1)), dump(a=running()), "a"
    ),
    "followers_wait_for_the_end": let_go_early,
    "higher_ones_go_first": lambda: exchange(
        dump(a=job(), b=job(place=4)), dump(a=running(), b=job(place=4)), "a"
    ),
    "old_tokens_change_nothing": lambda: exchange(
        dump(a=running()), dump(a=running()), completions=OLD
    ),
    "notes_are_taken_from_the_holder_only": lambda: step(
        "jot", dump(a=running()), dump(a=running(progress=b"x")), OLD_NOTES, reply=[1, []]
    ),
    "a_call_has_one_owner": lambda: step(
        "take_once",
        dump(a=running(), b=running(2)) | {"calls": {"k": {"ends": None, "token": (1, "a")}}},
        dump(a=running(), b=running(2)),
        *("k", "b", Token(2, "a")),
        reply=["OWN"],
    ),
    "steps_are_not_undone": lambda: step(
        "replay",
        dump(a=job("dead", steps=b"1:a", new_steps=b"1:b")),
        dump(a=job(steps=b"1:a")),
        reply=[],
    ),
    "the_end_is_the_end": lambda: step("move", dump(a=job("dead")), dump(a=job()), reply="dead"),
    "counters_only_grow_in_a_generation": lambda: step(
        "beat", dump(a=running()), dump(a=running(failures=1)), reply=["OK"]
    ),
    "nothing_is_early": lambda: step(
        "beat", dump(a=job("retrying", time=NOW + 1)), dump(a=job()), reply=["OK"]
    ),
    "leases_are_taken_only_when_they_ended": lambda: step(
        "beat", dump(a=running(time=NOW)), dump(a=job()), reply=["OK"]
    ),
    "statistics_count_what_was_accepted": lambda: step(
        "enqueue", dump(), dump(a=job()), "p", 1, reply=["OK", "1"]
    ),
    "schedules_count_their_jobs": fired,
    "limits_of_concurrency_hold": lambda: exchange(
        limited(a=running(slots=("kx",)), b=job()),
        limited(a=running(slots=("kx",)), b=running(2, slots=("kx",))),
        "b",
    ),
    "what_was_answered_before_writes_nothing": lambda: exchange(
        dump(a=job()), dump(a=running()), status="AGAIN"
    ),
}


@pytest.mark.parametrize("check", STEP_CHECKS, ids=lambda check: check.__name__)
def test_each_check_finds_its_wrong_step(check: Callable[[Step], object]) -> None:
    found = {fault.split(":")[0] for fault in step_faults(WRONG[check.__name__]())}

    assert check.__name__ in found


def test_a_claim_that_is_right_has_no_faults() -> None:
    right = exchange(dump(a=job(), b=job(place=6)), dump(a=running(), b=job(place=6)), "a")

    assert step_faults(right) == []
    assert list(History().faults(right)) == []


def removal(most: tuple[int | None, ...], **later: Any) -> list[str]:
    """Return what is found where b is removed while a, which was cancelled, stays."""
    meta = {"meta": {"paused": False, "most": most}}
    first, last = job("cancelled", time=NOW - 5, finished=NOW - 5), job(finished=None)
    last["written"] = {"enqueued": NOW - 5}
    before, after = dump(a=first, b=last) | meta, dump(a=first | later) | meta
    step = Step("remove", ("r-1", ("queued",), 0, ["b"]), NOW, before, after, "Q")
    name = "removals_take_what_they_name_and_nothing_that_runs"
    return [fault for fault in step_faults(step) if fault.startswith(name)]


def test_a_removal_that_changes_another_job_is_found() -> None:
    changed = "removals_take_what_they_name_and_nothing_that_runs: a removal changed a, which stays"

    assert removal((None, 1, None)) == []
    assert removal((None, 1, None), time=NOW) == [], "over the number, and looked at again later"
    assert removal((None, None, None), time=NOW) == [changed]
    assert removal((None, 1, None), generation=2) == [changed]


def test_a_token_that_is_given_twice_is_found() -> None:
    history = History()
    claimed = exchange(dump(a=job()), dump(a=running()), "a")
    first, second = list(history.faults(claimed)), list(history.faults(claimed))

    assert first == []
    assert [fault.split(":")[0] for fault in second] == ["tokens_are_unique"] * 2


def test_a_window_with_too_many_starts_is_found() -> None:
    history = History()
    first = exchange(limited(a=job()), limited(a=running()), "a")
    second = exchange(limited(b=job()), limited(b=running(2)), "b")

    assert list(history.faults(first)) == []
    assert "no_window_has_too_many: 2 of 1 in q" in history.faults(second)


@pytest.mark.parametrize("code", ["u", "b", "r"])
def test_a_start_that_was_taken_back_leaves_its_room(code: str) -> None:
    history = History()
    own = (Completion("a", Token(1, "a"), code),)
    first = exchange(limited(a=job()), limited(a=running()), "a")
    back = exchange(limited(a=running()), limited(a=job()), completions=own)
    second = exchange(limited(b=job()), limited(b=running(2)), "b")

    found = [fault for step in (first, back, second) for fault in history.faults(step)]
    assert ("no_window_has_too_many: 2 of 1 in q" in found) == (code == "r")


def test_a_start_behind_a_gate_that_is_shut_is_found() -> None:
    gate = "\udcffother,\udcffgate"
    waits = dump(a=job()) | {"parents": {"a": [gate]}}
    runs = dump(a=running()) | {"parents": {"a": [gate]}}
    open_now = waits | {"abroad": {gate: (5, "c", None, "")}}
    history = History()

    assert "nothing_starts_before_its_gate_is_open" in str(
        list(history.faults(exchange(waits, runs, "a")))
    )
    told = Step("hear", ([(gate, 5, "c", b"")],), NOW, waits, open_now, "1")
    history = History()
    assert list(history.faults(told)) == []
    assert list(history.faults(exchange(open_now, runs, "a"))) == []


def test_a_generation_that_ends_twice_is_found() -> None:
    history = History()
    completion = (Completion("a", Token(1, "a")),)
    ended = exchange(dump(a=running()), dump(a=job("completed")), completions=completion)
    first, second = list(history.faults(ended)), list(history.faults(ended))

    assert first == []
    assert [fault.split(":")[0] for fault in second] == ["one_completion_a_generation"]
