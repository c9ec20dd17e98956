"""What became of jobs that go before others of their key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from tests.model.reference.job import Job
    from tests.model.steps import Step

__all__ = ["rank_of_job", "rank_of_member", "what_traded"]

Rank = tuple[int, str | None, int, int | None, str]


def rank_of_job(job: Job) -> Rank:
    """Return by what the reference lets a job go before others of its key."""
    options = job.options
    return options.priority, options.key, options.key_priority, job.order, job.id


def rank_of_member(member: bytes) -> Rank:
    """Return the same from a member of ``slots``."""
    priority, key, rank, order, name = member[1:].decode().split(",", 4)
    return int(priority), unquote(key), 9999 - int(rank), int(order), name


def what_traded(step: Step) -> Iterator[str]:
    """Return what kind of job gave its turn up to another, and where that one had waited."""
    givers = [
        later
        for _, job, later in step.stay()
        if job["order"] is None and later["order"] is not None
    ]
    for _, job, later in step.stay():
        if job["order"] is None or later["state"] != "running":
            continue
        yield f"ranked, {job['state']} to running"
        if any(giver["place"] == job["place"] for giver in givers if not giver["held_back"]):
            yield "took the turn of another"
        if any(giver["held_back"] and giver["place"] == job["place"] for giver in givers):
            yield "took the slot of another"
