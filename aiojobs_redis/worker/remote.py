"""Attempts that ran in a process of their own, as middleware and hooks see them.

What comes back from there is bytes: a result is decoded for the middleware, and an error, which
stayed where it was raised, is stood for by an `AttemptFailed`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiojobs_redis._redis.inspector import read_errors
from aiojobs_redis.errors import AttemptFailed
from aiojobs_redis.handle import TOO_LARGE
from aiojobs_redis.verdict import Verdict, encoded_result
from aiojobs_redis.worker.around import around

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiojobs_redis.context import JobContext
    from aiojobs_redis.middleware import JobMiddleware
    from aiojobs_redis.task import Task
    from aiojobs_redis.worker.run import Run

__all__ = ["around_process", "error_of"]

_CHOSEN = {"z": "Snooze", "l": "Throttle", "w": "WaitFor", "x": "Cancel"}
"""What a task raises that chooses its outcome: nothing of it comes back but the outcome."""


_IMMUTABLE = (bool, bytes, float, int, str, type(None))


async def around_process(
    middleware: Sequence[JobMiddleware],
    run: Run,
    task: Task[..., Any],
    elsewhere: Callable[[], Awaitable[Verdict]],
) -> Verdict:
    """Run an attempt in its process within the middleware; what that raises is raised here."""
    verdict: Verdict | None = None
    value: Any = None
    error: AttemptFailed | None = None

    async def call(_: JobContext) -> Any:
        nonlocal verdict, value, error
        verdict = await elsewhere()
        if verdict.code != "c":
            error = error_of(run.id, verdict) or AttemptFailed(_CHOSEN[verdict.code], "")
            raise error
        if not verdict.body.startswith(TOO_LARGE):
            value = task.codec.decode_result(verdict.body) if verdict.body else None
        return value

    try:
        answer = await around(middleware, call)(run.context)
    except AttemptFailed as raised:
        if verdict is not None and raised is error:
            return verdict
        raise
    # Anything else may have been changed, though it is the same object. None is what a result that
    # is too large looks like.
    same = answer is value and isinstance(value, _IMMUTABLE)
    if verdict is not None and verdict.code == "c" and same:
        return verdict
    return Verdict("c", "", encoded_result(task.codec, answer))


def error_of(id: str, verdict: Verdict) -> AttemptFailed | None:
    """Return what stands for the error of an attempt that failed elsewhere; None if none did."""
    if verdict.code not in {"t", "d"}:
        return None
    found = read_errors(verdict.body, None, id.encode())
    if not found:
        return AttemptFailed(verdict.kind, "")
    return AttemptFailed(found[-1].type, found[-1].message, found[-1].traceback)
