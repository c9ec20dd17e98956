"""What holds of each step, whatever the reference says: invariants of a before and an after.

Each check takes a step and returns a line for every fault. `History` checks what holds of a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.model.following import (
    followers_wait_for_the_end,
    leader_ended,
    what_became_of_keys,
)
from tests.model.keeping import (
    a_number_is_reached,
    no_more_are_kept_than_was_asked_for,
    removals_take_what_they_name_and_nothing_that_runs,
)
from tests.model.limit_steps import limits_of_concurrency_hold
from tests.model.reference.exchange import Completion, Exchange
from tests.model.reference.flows import is_gate
from tests.model.remains import (
    a_call_has_one_owner,
    notes_are_taken_from_the_holder_only,
    steps_are_not_undone,
)
from tests.model.telling import opened_gates, what_queues_told
from tests.model.windows import Windows

__all__ = ["STEP_CHECKS", "History", "Step", "happenings", "step_faults"]

FINISHED = ("completed", "cancelled", "dead")
WAITS = ("scheduled", "retrying")
_TELLING = ("exchange", "beat", "cancel", "hear", "break_wait", "prune")
_ANSWERED = ("exchange", "enqueue", "enqueue_flow", "enqueue_one", "beat")
_ONCE = {
    *("age", "cancel", "free", "keep", "move", "pause", "promote", "remove", "replay", "shut"),
    *("detach", "prune", "unschedule"),
}
_GOING = {"destroy", "sweep", "exchange", "beat", "remove"}
_CALLING_OFF = ("cancel", "hear", "break_wait", "prune")
_SETTLING = {*_CALLING_OFF, "repair"}


@dataclass(frozen=True)
class Step:
    """One call.

    Attributes:
        name: Which.
        args: With what.
        now: When.
        before: The keys before, in the form of `dump_of_keys`.
        after: The keys after.
        reply: What it answered.
    """

    name: str
    args: tuple[Any, ...]
    now: int
    before: dict[str, Any]
    after: dict[str, Any]
    reply: Any

    @property
    def applied(self) -> Exchange | None:
        """The exchange, if this is one that was applied now."""
        return self.args[0] if self.name == "exchange" and self.reply[0] == "OK" else None

    @property
    def claimed(self) -> list[str]:
        """Ids that were leased in this step, in order."""
        return [claim[0] for claim in self.reply[5]] if self.applied else []

    def accepted(self) -> list[Completion]:
        """Completions that carried the token of the current lease."""
        found, seen = [], set()
        for ended in self.applied.completions if self.applied else ():
            job = self.before["jobs"].get(ended.id)
            if job and job["token"] == tuple(ended.token) and ended.id not in seen:
                seen.add(ended.id)
                found.append(ended)
        return found

    def stay(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Jobs that are there before and after."""
        for name, job in self.before["jobs"].items():
            if name in self.after["jobs"]:
                yield name, job, self.after["jobs"][name]


def jobs_go_only_when_they_have_ended(step: Step) -> Iterator[str]:
    """I2: a job goes only by `destroy` or `remove`, or finished, by its retention."""
    for name in step.before["jobs"].keys() - step.after["jobs"].keys():
        job = step.before["jobs"][name]
        accepted = {ended.id for ended in step.accepted()}
        kept_for_nothing = 0 in (job["written"]["keep_dead"], job["written"]["keep_cancelled"])
        too_many = a_number_is_reached(step)
        called_off = step.name in _CALLING_OFF and kept_for_nothing
        # Where a number was set, whatever may end jobs looks for those whose time is up.
        looked_for = step.name in _SETTLING and any(step.after["meta"]["most"])
        if step.name not in _GOING and not (too_many or called_off or looked_for):
            yield f"{name} went by a call of {step.name}"
        if step.name == "destroy" and step.args[0] != step.before["meta"]["born"]:
            yield f"{name} went with a queue that was to go before it was made"
        if step.name not in ("destroy", "remove") and not (
            job["state"] in FINISHED or name in accepted or kept_for_nothing or too_many
        ):
            yield f"{name} went while {job['state']}"


def claims_stay_within_the_limit(step: Step) -> Iterator[str]:
    """I4: no more jobs are leased than slots are free, each once, one suspect at most."""
    if step.applied and len(step.claimed) > step.applied.limit:
        yield f"{len(step.claimed)} jobs for {step.applied.limit} slots"
    if len(set(step.claimed)) < len(step.claimed):
        yield f"one job twice: {step.claimed}"
    suspects = [claim for claim in step.reply[5] if claim[3][2] >= 2] if step.applied else []
    if step.applied and len(suspects) > int(step.applied.may_suspect):
        yield f"{len(suspects)} suspects at once"


def only_free_jobs_are_claimed(step: Step) -> Iterator[str]:
    """I5, I12, I14: what is claimed was queued, or due, or given up or lost by its holder."""
    accepted = {ended.id: ended.code for ended in step.accepted()}
    if step.claimed and step.before["meta"]["paused"]:
        yield "a paused queue hands out jobs"
    for name in step.claimed:
        job = step.before["jobs"][name]
        free = {
            "queued": True,
            "blocked": job["held_back"] is not None
            or _is_adopted(step, job["parked_for"])
            or _parents_have_ended(step, name)
            or leader_ended(step, name),
            "running": accepted.get(name, "c") in "tzrbulw" or (job["time"] or 0) < step.now,
        }
        due = job["state"] in WAITS and job["time"] <= step.now
        if not due and not free.get(job["state"], False):
            yield f"{name} was claimed while {job['state']}"
        if job["to_cancel"]:
            yield f"{name} was claimed although it is to be cancelled"


def _is_adopted(step: Step, task: str | None) -> bool:
    adopt = step.applied.adopt if step.applied else ()
    return task in adopt or (task is not None and "*" in adopt)


def _parents_have_ended(step: Step, name: str) -> bool:
    waited = [edge[0] for edge, at in step.before["edges"].items() if (edge[1], at) == (name, "a")]
    now = (step.after["jobs"].get(parent, {"state": "completed"}) for parent in waited)
    told = {parent for parent, (_, letter, *_) in step.after["abroad"].items() if letter == "q"}
    if "n" in (step.before["jobs"][name]["options"].get("on_parent_failure") or ""):
        # One that failed is enough; of which nothing is left, it may have.
        jobs = [step.after["jobs"].get(parent, {"state": "gone"}) for parent in {*waited} - told]
        if any(job["state"] in ("dead", "cancelled", "gone") for job in jobs):
            return True
    return bool(waited) and all(job["state"] in FINISHED for job in now) and not told & {*waited}


def higher_ones_go_first(step: Step) -> Iterator[str]:
    """I13: what is left in ready stands behind all that was claimed of it; claims go by place."""
    places = [
        step.after["jobs"][name]["place"] for name in step.claimed if not _was_suspect(step, name)
    ]
    left = [
        job["place"]
        for job in step.after["jobs"].values()
        if job["state"] == "queued" and not job["suspect"]
    ]
    if places != sorted(places):
        yield f"claims out of order: {step.claimed}"
    if places and left and min(left) < max(places):
        yield "a job of a higher place was left"


def _was_suspect(step: Step, name: str) -> bool:
    return bool(step.after["jobs"][name]["lost"] >= 2)


def old_tokens_change_nothing(step: Step) -> Iterator[str]:
    """I8: a completion without the token of the current lease is named lost."""
    if step.applied is None:
        return
    accepted = step.accepted()
    refused = Counter(ended.id for ended in step.applied.completions)
    refused -= Counter(ended.id for ended in accepted)
    if Counter(step.reply[4]) != refused:
        yield f"lost are {step.reply[4]}, and not {refused}"
    if not accepted and not step.applied.limit:
        for name, job, later in step.stay():
            # Of what is blocked, limits and the ends of parents let out some at any exchange.
            waited = job["state"] in (*WAITS, "running", "blocked")
            moved = waited and later["state"] in ("queued", "scheduled", *FINISHED)
            moved = moved or _only_kept_for_longer(step, name, job, later)
            if job != later and not moved:
                changed = {
                    each: (job[each], later.get(each))
                    for each in job
                    if job[each] != later.get(each)
                }
                yield f"{name} was changed by an old token: {changed}"


def the_end_is_the_end(step: Step) -> Iterator[str]:
    """I9: what has ended changes by a replay only, which begins another generation.

    That may be a replay of the job that it died of. And it may be kept for longer than it was to
    be, while a job that depends on it goes on. Its log can be cleared.
    """
    for name, job, later in step.stay():
        if job["state"] not in FINISHED or job == later:
            continue
        log = {each: later[each] for each in ("log", "new_log", "said")}
        cleared = step.name == "clear_log" and job | log == later
        if cleared or _only_kept_for_longer(step, name, job, later):
            continue
        with_parent = step.name in _TELLING and name in _killed(step.before)
        replayed = step.name == "replay" or with_parent
        replayed = replayed and later["generation"] == job["generation"] + 1
        if step.name != "destroy" and not replayed:
            yield f"{name} was {job['state']} and was changed by {step.name}"


def _only_kept_for_longer(
    step: Step, name: str, job: dict[str, Any], later: dict[str, Any]
) -> bool:
    return job | {"time": later["time"]} == later and name in _needed(step.before)


def _needed(keys: dict[str, Any]) -> set[str]:
    edges = [*keys["edges"].items(), *keys["queues"].items()]
    return {parent for (parent, _), letter in edges if letter in "abcd"}


def _killed(keys: dict[str, Any]) -> set[str]:
    return {child for (_, child), letter in keys["edges"].items() if letter == "k"}


def counters_only_grow_in_a_generation(step: Step) -> Iterator[str]:
    """I11: failures are counted by failures, lost leases by leases that ran out."""
    accepted = {ended.id: ended.code for ended in step.accepted()}
    for name, job, later in step.stay():
        if later["generation"] != job["generation"]:
            continue
        failed = later["failures"] - job["failures"]
        if failed not in (0, 1) or (failed and accepted.get(name) != "t"):
            yield f"{name} has {failed} more failures after {accepted.get(name)}"
        lost = later["lost"] - job["lost"]
        ran_out = job["state"] == "running" and job["time"] < step.now
        handed_back = accepted.get(name) in ("r", "l", "w") and later["lost"] == 0
        if lost and not handed_back and not (lost == 1 and ran_out):
            yield f"{name} has {lost} more lost leases"


def nothing_is_early(step: Step) -> Iterator[str]:
    """I12: what waits for its time leaves when it is due, or when somebody moves or cancels it."""
    if step.name in ("move", "promote", "cancel", "prune", "destroy"):
        return
    for name, job, later in step.stay():
        if step.name in ("enqueue", "fire") and later["written"] != job["written"]:
            continue  # It was replaced by one with a time of its own.
        if job["state"] in WAITS and later["state"] != job["state"] and job["time"] > step.now:
            yield f"{name} left {job['state']} {job['time'] - step.now} ms early"


def leases_are_taken_only_when_they_ended(step: Step) -> Iterator[str]:
    """I6: a holder loses its job by its own word, or after the end of the lease."""
    accepted = {ended.id for ended in step.accepted()}
    for name, job, later in step.stay():
        if job["state"] != "running" or later["token"] == job["token"] or name in accepted:
            continue
        if job["time"] >= step.now:
            yield f"{name} was taken from its holder {job['time'] - step.now} ms early"


def statistics_count_what_was_accepted(step: Step) -> Iterator[str]:
    """I17: each counter moved by what the step did."""
    if step.name in ("sweep", "destroy"):
        return
    grown: dict[str, int] = {}
    for entry in {*step.before["stats"], *step.after["stats"]}:
        more = step.after["stats"].get(entry, 0) - step.before["stats"].get(entry, 0)
        if entry[1] != "?":
            grown[entry[2]] = grown.get(entry[2], 0) + more
    # What was to be cancelled, and did not complete by itself, is cancelled.
    codes = [
        "x" if step.before["jobs"][ended.id]["to_cancel"] and ended.code != "c" else ended.code
        for ended in step.accepted()
    ]
    expected = {
        "enqueued": len(step.after["jobs"].keys() - step.before["jobs"].keys()),
        "ms": sum(ended.ms for ended in step.accepted()),
        **{
            what: codes.count(code)
            for what, code in {
                "completed": "c",
                "failed": "t",
                "dead": "d",
                "snoozed": "z",
                "cancelled": "x",
            }.items()
        },
    }
    expected["dead"] += len(step.reply[7]) if step.applied else 0
    for what, number in expected.items():
        if grown.get(what, 0) != number:
            yield f"{what} grew by {grown.get(what, 0)} instead of {number}"


def _made(step: Step) -> int:
    return -1 if step.reply == -1 else int(step.reply.count("1"))


def schedules_count_their_jobs(step: Step) -> Iterator[str]:
    """I18: a tick that was fired makes its jobs once, and is not the next one any more."""
    if step.name != "fire":
        return
    name, revision, tick = step.args[:3]
    before = step.before["schedules"].get(name)
    later = step.after["schedules"].get(name)
    current = before and before["revision"] == revision and before["tick"] == tick
    made = _made(step)
    if (made >= 0) != bool(current):
        yield f"the tick {tick} of {name} was answered with {step.reply}"
    new = len(step.after["jobs"]) - len(step.before["jobs"])
    if later and before and (later["runs"] - before["runs"], max(made, 0)) != (new, new):
        yield f"{name} has made {new} jobs and counts {later['runs'] - before['runs']}"


def what_was_answered_before_writes_nothing(step: Step) -> Iterator[str]:
    """I16: a call that was sent again, is early, or old, leaves all as it was."""
    refused = step.name == "exchange" and step.reply[0] != "OK"
    enqueues = step.name in ("enqueue", "enqueue_flow", "enqueue_one")
    once = step.name in _ONCE
    last = step.before["batches"].get(step.args[0]) if enqueues or once else None
    again = last is not None and (once or step.args[1] <= last[0])
    # When an enqueue was answered last is noted again.
    one, other = (
        {**keys, "batches": refused and keys["batches"]} for keys in (step.before, step.after)
    )
    if (refused or again) and one != other:
        yield f"{step.name} was answered before, is early or old, and changed something"


def happenings(step: Step) -> Iterator[str]:
    """Return what kind of thing happened, by which one can see that a run was not for nothing."""
    status = step.reply[0] if step.name in _ANSWERED else "called"
    yield f"{step.name} {status}"
    if step.name == "enqueue" and "2" in str(step.reply[-1]) and status == "OK":
        yield "over the rate"
    if step.name in ("enqueue", "enqueue_flow") and status == "OK" and "5" in step.reply[1]:
        yield f"a line is full for {step.name}"
    for _, job, later in step.stay():
        if job["state"] != later["state"] or job["generation"] != later["generation"]:
            yield f"{job['state']} to {later['state']}"
        if job["token"] and later["token"] not in (None, job["token"]):
            yield "running to running"
        if later["suspect"]:
            yield "a suspect"
        if later["errors"] != job["errors"]:
            yield f"error {later['errors'][-1].type}"
    for _, count in ((claim[0], claim[3]) for claim in (step.reply[5] if step.applied else ())):
        yield f"claimed after {min(count[2], 2)} lost leases"
        if count[3]:
            yield "claimed with something left"
    if step.applied and step.reply[4]:
        yield "an old token"
    if step.applied and step.applied.completions and not step.reply[4]:
        yield "all accepted"
    for name in step.before["jobs"].keys() - step.after["jobs"].keys():
        yield f"gone from {step.before['jobs'][name]['state']} by {step.name}"
    if step.name == "repair" and step.reply[2]:
        yield "repair of a lease"
    yield from what_became_of_keys(step)
    yield from what_queues_told(step)
    if step.name == "detach":
        yield f"detach {step.reply}"
    if step.name == "prune" and step.before["jobs"] != step.after["jobs"]:
        yield f"prune {step.reply[:1]}"
    if step.name == "take_once":
        yield f"once {step.reply[0]}"
    if step.name == "end_once":
        yield f"once ended {step.reply}"
    if step.name == "jot":
        yield "notes of an old token" if step.reply[1] else "notes taken"
    if step.name == "fire":
        yield f"fire made {_made(step)}"


STEP_CHECKS: tuple[Callable[[Step], Iterator[str]], ...] = (
    jobs_go_only_when_they_have_ended,
    removals_take_what_they_name_and_nothing_that_runs,
    no_more_are_kept_than_was_asked_for,
    claims_stay_within_the_limit,
    only_free_jobs_are_claimed,
    higher_ones_go_first,
    followers_wait_for_the_end,
    old_tokens_change_nothing,
    notes_are_taken_from_the_holder_only,
    a_call_has_one_owner,
    steps_are_not_undone,
    the_end_is_the_end,
    counters_only_grow_in_a_generation,
    nothing_is_early,
    leases_are_taken_only_when_they_ended,
    statistics_count_what_was_accepted,
    schedules_count_their_jobs,
    what_was_answered_before_writes_nothing,
    limits_of_concurrency_hold,
)


@dataclass
class History:
    """What a run has seen since its queue was made.

    Attributes:
        granted: Every token that was given.
        fences: The last fence of each job.
        ended: Generations of jobs of which a completion was accepted for good.
        windows: The starts that count for limits.
        opened: Gates of other queues that were open once.
    """

    granted: set[tuple[int, str]] = field(default_factory=set)
    fences: dict[str, int] = field(default_factory=dict)
    ended: set[tuple[str, int]] = field(default_factory=set)
    windows: Windows = field(default_factory=Windows)
    opened: set[str] = field(default_factory=set)

    def faults(self, step: Step) -> Iterator[str]:
        """Take in a step and return what does not hold."""
        if step.name == "destroy" and step.reply == -1:
            # A new queue of that name starts again; its fences go by the clock.
            self.granted, self.fences, self.ended = set(), {}, set()
            return
        yield from self._tokens_are_unique(step)
        yield from self._one_completion_a_generation(step)
        yield from self.windows.faults(step)
        yield from self._nothing_starts_before_its_gate_is_open(step)
        for name in step.before["jobs"].keys() - step.after["jobs"].keys():
            self.ended = {each for each in self.ended if each[0] != name}

    def _tokens_are_unique(self, step: Step) -> Iterator[str]:
        """I7: no token is given twice, and the fences of a job only grow."""
        for name, _, fence, _ in step.reply[5] if step.applied else ():
            token = (fence, step.applied.nonce if step.applied else "")
            if token in self.granted or fence in {each[0] for each in self.granted}:
                yield f"tokens_are_unique: {name} got {token}, which was given before"
            if fence <= self.fences.get(name, 0):
                yield f"tokens_are_unique: {name} got {fence} after {self.fences[name]}"
            self.granted.add(token)
            self.fences[name] = fence

    def _nothing_starts_before_its_gate_is_open(self, step: Step) -> Iterator[str]:
        """I23: what is behind a gate starts when the whole of its flow was added.

        Whoever retries a job that was cancelled because of that runs it all the same.
        """
        self.opened |= opened_gates(step)
        for name in step.claimed:
            if step.after["jobs"][name]["generation"] > 1:
                continue
            shut = {*filter(is_gate, step.after["parents"].get(name, ()))} - self.opened
            if shut:
                yield f"nothing_starts_before_its_gate_is_open: {name} did, behind {shut}"

    def _one_completion_a_generation(self, step: Step) -> Iterator[str]:
        """I10: a generation of a job ends once."""
        for ended in step.accepted():
            if ended.code in "cdx":
                end = (ended.id, step.before["jobs"][ended.id]["generation"])
                if end in self.ended:
                    yield f"one_completion_a_generation: {end} ended twice"
                self.ended.add(end)


def step_faults(step: Step) -> list[str]:
    """Return what does not hold, each with the name of its check."""
    found = []
    for check in STEP_CHECKS:
        try:
            found += [f"{check.__name__}: {fault}" for fault in check(step)]
        except LookupError as error:
            # A job that the step speaks of is not there.
            found.append(f"{check.__name__}: {error!r}")
    return found
