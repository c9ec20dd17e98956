"""What holds of jobs that wait for the end of the one with their unique key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.model.steps import Step

__all__ = ["followers_wait_for_the_end", "leader_ended", "what_became_of_keys"]

FINISHED = ("completed", "cancelled", "dead")


def leader_ended(step: Step, follower: str) -> bool:
    """Whether the job whose end another waits for has ended, or given up their key."""
    leaders = [name for name, (_, each) in step.before["followers"].items() if each == follower]
    return any(name not in step.after["followers"] for name in leaders)


def followers_wait_for_the_end(step: Step) -> Iterator[str]:
    """I15: a job that waits for the one with its key goes on when that has ended, not before."""
    for leader, (_, name) in step.before["followers"].items():
        if leader in step.after["followers"] or name not in step.after["jobs"]:
            continue
        first, later = step.after["jobs"].get(leader), step.after["jobs"][name]
        ended = first is None or first["state"] in FINISHED or step.name == "free"
        waited = step.before["jobs"].get(name, later)["state"] == "blocked"
        if waited and not ended and later["state"] != "cancelled":
            yield f"{name} goes on while {leader} has not ended"
        if ended and later["state"] == "blocked" and not later["parked_for"]:
            yield f"{name} still waits for {leader}"


def what_became_of_keys(step: Step) -> Iterator[str]:
    """Return what kind of thing happened to unique jobs."""
    if step.name == "enqueue" and step.reply[0] == "OK" and "3" in step.reply[1]:
        yield "kept out by a unique key"
    if step.name == "enqueue" and step.reply[0] == "OK" and "4" in step.reply[1]:
        yield "one replaced another"
    for _, name in step.before["followers"].values():
        if step.after["jobs"].get(name, {}).get("state") not in (None, "blocked", "cancelled"):
            yield f"a follower goes on by {step.name}"
    if step.before["followers"].keys() & step.after["followers"].keys():
        yield "one waits for another"
    if step.name == "replay" and any(each.startswith("u") for each in step.reply):
        yield "replay refused"
    if step.name == "free":
        yield f"free {step.reply}"
