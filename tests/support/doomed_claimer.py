"""A short life that claims jobs by hand, for a process that is killed in it."""

from __future__ import annotations

import contextlib

from aiojobs_redis import Fail, Lease, LeaseLost, Queue, Retry

__all__ = ["LEASE", "live", "work_off"]

LEASE = 0.5


async def live(url: str, name: str, history: str) -> None:
    """Claim jobs and end them in every way until none is left.

    Args:
        url: The server.
        name: The queue.
        history: Folder of its history.
    """
    queue = Queue(name, url=url, namespace="test")
    with queue.record_history(history):
        await work_off(queue)
    await queue.close()


async def work_off(queue: Queue) -> None:
    """Claim until nothing is ready; each job is completed in the end, or dead."""
    while leases := await queue.claim(2, lease=LEASE):
        for lease in leases:
            # On a busy machine a lease may run out; the job is claimed once more then.
            with contextlib.suppress(LeaseLost):
                await _end(lease)


async def _end(lease: Lease) -> None:
    kind = lease.args[0]
    if kind == "dead":
        await lease.fail(Fail("never"))
    elif kind == "again" and lease.attempt == 1:
        await lease.fail(Retry(delay=0))
    elif kind == "back" and not lease.headers.get("seen"):
        await lease.extend()
        await lease.complete("extended")
    else:
        await lease.complete(kind)
