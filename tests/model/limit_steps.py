"""What holds of each step where there are limits; the other checks are in `tests.model.steps`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.model.reference.limits import of_each

if TYPE_CHECKING:
    from tests.model.steps import Step

__all__ = ["limits_of_concurrency_hold"]


def limits_of_concurrency_hold(step: Step) -> Iterator[str]:
    """No more jobs hold slots of a key or a task than its limit, but for those that did before."""
    for scope in {scope for job in step.after["jobs"].values() for scope in job["slots"]}:
        rules = step.after["rules"]
        rule = rules.get(scope) or rules.get(of_each(scope))
        before, after = (
            sum(scope in job["slots"] for job in keys["jobs"].values())
            for keys in (step.before, step.after)
        )
        if rule and rule.concurrency is not None and after > max(rule.concurrency, before):
            yield f"{after} jobs hold a slot of {scope}, of {rule.concurrency}"
    rule = step.after["rules"].get("q")
    if step.claimed and rule and rule.concurrency is not None:
        running = sum(job["state"] == "running" for job in step.after["jobs"].values())
        if running > rule.concurrency:
            yield f"{running} jobs run, of {rule.concurrency}"
