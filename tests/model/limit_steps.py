"""What holds of each step where there are limits; the other checks are in `tests.model.steps`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.model.reference.limits import of_each

if TYPE_CHECKING:
    from tests.model.steps import Step

__all__ = ["limits_of_concurrency_hold", "no_window_has_too_many"]


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


def no_window_has_too_many(step: Step, starts: dict[str, list[int]]) -> Iterator[str]:
    """B31: no window of the length of a rate has more starts than it allows.

    In `starts` is when jobs started, by scope; a step adds its own.
    """
    for scope in list(starts):
        later = step.now < max(starts[scope], default=0)
        if scope not in step.after["rules"] or later or step.name == "limit":
            del starts[scope]
    for ended in step.accepted():
        job = step.before["jobs"][ended.id]
        if ended.code in "bu" and not job["to_cancel"]:
            # Its worker did not know the task, or had not begun: that claim was no start.
            for scope in _scopes(job) & starts.keys():
                if job["started"] in starts[scope]:
                    starts[scope].remove(job["started"])
    for name in step.claimed:
        for scope in _scopes(step.after["jobs"][name]) & step.after["rules"].keys():
            starts.setdefault(scope, []).append(step.now)
    for scope, times in starts.items():
        rule = step.after["rules"][scope]
        if rule.starts is not None and rule.window is not None:
            within = [at for at in times if at > step.now - rule.window]
            if len(within) > rule.starts:
                yield f"no_window_has_too_many: {len(within)} of {rule.starts} in {scope}"


def _scopes(job: dict[str, Any]) -> set[str]:
    key, task = job["options"]["key"], job["options"]["task"]
    return {"q", f"k{key}" if key is not None else "q", f"t{task}" if task else "q"}
