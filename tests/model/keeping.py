"""What holds of each step about jobs that are removed, and about how many are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.model.following import leader_ended
from tests.model.reference.job import FINISHED

if TYPE_CHECKING:
    from tests.model.steps import Step

__all__ = [
    "a_number_is_reached",
    "no_more_are_kept_than_was_asked_for",
    "removals_take_what_they_name_and_nothing_that_runs",
]


def removals_take_what_they_name_and_nothing_that_runs(step: Step) -> Iterator[str]:
    """I2, I6: what `remove` takes was named and is of a state and an age that it was given."""
    if step.name != "remove":
        return
    _, states, age, names, *rest = step.args
    moment = rest[0] if rest else None
    for name in step.before["jobs"].keys() - step.after["jobs"].keys():
        job = step.before["jobs"][name]
        since = job["finished"] or job["written"]["enqueued"]
        if moment is not None:
            # Scheduled ones go as well, or what fell due since stays.
            due = 0 if "scheduled" in states else job["written"]["due"] or 0
            added = job["written"]["enqueued"]
            since, age = max(added, due, job["started"] or 0), step.now - moment
        if job["state"] in FINISHED and any(step.after["meta"]["most"]):
            continue
        if name not in names or job["state"] == "running" or job["state"] not in states:
            yield f"{name} was removed while {job['state']}"
        if since > step.now - age:
            yield f"{name} was removed {since + age - step.now} ms too early"
    for name, job, later in step.stay():
        changed = _without_looks(step, job) != _without_looks(step, later)
        if changed and not leader_ended(step, name):
            yield f"a removal changed {name}, which stays"


def _without_looks(step: Step, job: dict[str, Any]) -> dict[str, Any]:
    """Return a job without its time where it may be over a number, but a flow may read it still.

    It is then looked at again an hour later, which is written down as its time.
    """
    if job["state"] in FINISHED and any(most is not None for most in step.after["meta"]["most"]):
        return job | {"time": None}
    return job


def a_number_is_reached(step: Step) -> bool:
    """Whether so many jobs are kept that one which ended in this call may have gone in it.

    Of jobs that end at once, as all those of a dead worker or of a flow, there can be too many.
    """
    states = ("completed", "cancelled", "dead")
    return any(
        most is not None
        and sum(job["state"] == state for job in step.after["jobs"].values()) >= most
        for state, most in zip(states, step.after["meta"]["most"], strict=True)
    )


def no_more_are_kept_than_was_asked_for(step: Step) -> Iterator[str]:
    """I19: after each exchange and sweep a queue holds its number of cancelled and dead jobs."""
    if step.name != "sweep" and not step.applied:
        return
    for state, most in zip(("cancelled", "dead"), step.after["meta"]["most"][1:], strict=True):
        found = {name: job for name, job in step.after["jobs"].items() if job["state"] == state}
        bounded = sum((job["time"] or 0) < 10**15 for job in found.values())
        # What a job of a flow may still read is passed over, and the next one then stays too.
        edges = [edge for keys in (step.before, step.after) for edge in keys["edges"].items()]
        edges += [edge for keys in (step.before, step.after) for edge in keys["queues"].items()]
        read_later = found.keys() & {parent for (parent, _), letter in edges if letter in "abcd"}
        if most is not None and bounded > most and not read_later:
            yield f"{bounded} {state} jobs are kept instead of {most}"
