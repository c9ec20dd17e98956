"""What became of jobs that go before all others of their priority."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.model.reference.queue import BAND
from tests.model.reference.turns import FRONT

if TYPE_CHECKING:
    from tests.model.steps import Step

__all__ = ["what_went_first"]


def _in_front(job: dict[str, Any]) -> bool:
    return job["place"] is not None and job["place"] % BAND < FRONT


def what_went_first(step: Step) -> Iterator[str]:
    """Return what kind of thing happened to jobs that have a place before all arrivals."""
    for _, job, later in step.stay():
        if _in_front(job) and _in_front(later) and job["state"] != later["state"]:
            yield f"in front, {job['state']} to {later['state']}"
        elif _in_front(later) and not job["place"]:
            yield f"in front from {job['state']}"
        elif _in_front(job) and job["state"] == "running" and later["state"] == "retrying":
            yield "in front no more"
