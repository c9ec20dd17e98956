"""Takes a running job away from its worker, as after a lease that ran out unnoticed."""

from __future__ import annotations

from tests.support.scripts import Scripts
from tests.support.waiting import wait_until

__all__ = ["steal"]


async def steal(other: Scripts, id: str) -> None:
    """Let the lease of a job run out and claim the job for another worker."""

    async def claimed() -> bool:
        # The heartbeat may come between and renew the lease.
        await other.expire_lease(id)
        return id.encode() in await other.claim_ids()

    await wait_until(claimed, "another worker to get the job")
