"""Idempotent calls: one running job makes each, and its result counts for a while."""

from __future__ import annotations

from typing import Any

from tests.model.reference.job import DAY, Token
from tests.model.reference.queue import Call, Queue

__all__ = ["end_once", "forget_onces", "take_once"]


def _counts(queue: Queue, key: str) -> Call | None:
    """Return what there is of a call: done and not too old, or being made by a job that runs."""
    call = queue.calls.get(key)
    if call is None:
        return None
    if call.ends is not None:
        return call if call.ends > queue.now else None
    owner = queue.jobs.get(call.rest.decode())
    return call if owner and owner.token == call.token else None


def take_once(queue: Queue, key: str, name: str, token: Token) -> list[Any]:
    """Ask to make a call: it is ours to make, or done, or somebody else makes it."""
    job = queue.jobs.get(name)
    if job is None or job.token != token:
        return ["LOST"]
    forget_onces(queue, 10)
    call = _counts(queue, key)
    if call and call.ends is not None:
        return ["DONE", call.rest]
    if call and call.token != token:
        return ["WAIT"]
    queue.calls[key] = Call(None, queue.now + DAY, token, name.encode())
    return ["OWN"]


def end_once(
    queue: Queue, key: str, name: str, token: Token, keep: int | None, value: bytes = b""
) -> int:
    """Record what a call returned, or with no `keep` free it; whether it was ours."""
    job, call = queue.jobs.get(name), _counts(queue, key)
    if job is None or job.token != token or (call and call.token != token):
        return 0
    if keep is not None:
        ends = queue.now + keep
        queue.calls[key] = Call(ends, ends, token, value)
    elif call and call.ends is None:
        del queue.calls[key]
    return 1


def forget_onces(queue: Queue, most: int) -> int:
    """Forget calls whose time is up, or whose owner is gone and nobody asks; return how many."""
    late = [
        (call.look, ("o" if call.ends is None else "d") + key, key, call)
        for key, call in queue.calls.items()
        if call.look <= queue.now
    ]
    forgotten = 0
    for _, _, key, call in sorted(late, key=lambda each: each[:2])[:most]:
        if call.ends is None and _counts(queue, key):
            call.look = queue.now + DAY
        else:
            del queue.calls[key]
            forgotten += 1
    return forgotten
