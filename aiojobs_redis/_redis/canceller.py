"""Cancels a job, with a reason that stands among its errors."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from aiojobs_redis._redis.inspector import error_line
from aiojobs_redis._redis.sealed_errors import seal_line

if TYPE_CHECKING:
    from aiojobs_redis._redis.store import Store

__all__ = ["cancel_job", "reason_line"]


def reason_line(store: Store, job: str, reason: str | None) -> bytes:
    """Return the error by which a job of a queue is cancelled, unlike that of any other call."""
    # Whatever it is, often an error: its text, as that of what a task raises.
    text = "" if reason is None else str(reason)
    line = error_line("Cancelled", text, call=secrets.token_hex(4))
    return line if store.sealing is None else seal_line(line, store.sealing, job.encode())


async def cancel_job(store: Store, job: str, reason: str | None) -> bool:
    """Cancel a job of a queue; whether there was something to cancel.

    Raises:
        QueueUnavailable: Redis did not answer.
    """
    state = await store.ask_once("cancel", job, reason_line(store, job, reason))
    return state.decode() not in {"", "c", "d", "x"}
