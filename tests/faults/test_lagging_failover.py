"""A failover to a replica that lags: what was confirmed is there, the rest was told of."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import NotReplicated, Queue, Replicated, Worker
from tests.support.figures import record
from tests.support.invariants import faults
from tests.support.replication import Relay, ids_on, promote, replicated, sync
from tests.support.servers import find_servers
from tests.support.snapshots import snapshot
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

SERVERS = find_servers()
CALLERS, EACH = 10, 6
JOBS = CALLERS * EACH


@pytest.mark.requirement("F15")
@sizes(ci={"rounds": 2}, whole={"rounds": 50})
async def test_a_failover_loses_nothing_that_was_confirmed(
    tmp_path: Path, size: dict[str, Any]
) -> None:
    chance = random.Random(15)
    unconfirmed = lost = 0
    recovery = []
    for number in range(size["rounds"]):
        # The old master is dead, or alive and cut off: a split, which ends when it is told.
        split = number % 2 == 1
        server = list(SERVERS)[number // 2 % len(SERVERS)]
        told, gone, seconds = await fail_over(tmp_path / str(number), server, chance, split=split)
        unconfirmed, lost = unconfirmed + told, lost + gone
        recovery.append(seconds)
    # What was held back can only be what nobody had confirmed, and some of it was.
    assert 0 < lost <= unconfirmed
    record(
        "F15",
        n=JOBS * size["rounds"],
        lost=0,
        recovery=recovery,
        tier=size["tier"],
        note=f"of confirmed jobs; {unconfirmed} were told to be unconfirmed, {lost} of them lost",
    )


async def fail_over(
    folder: Path, server: str, chance: random.Random, *, split: bool
) -> tuple[int, int, float]:
    """Lose a master whose replica has lost touch, promote that, and count.

    Returns:
        How many jobs were told to be unconfirmed, how many were lost, and seconds until all that
        was left had been done.
    """
    confirmed: set[str] = set()
    unconfirmed: set[str] = set()
    held_after = chance.randrange(5, JOBS // 2)

    async def produce(queue: Queue, caller: int) -> None:
        for number in range(EACH):
            id = f"{caller}-{number}"
            try:
                await queue.enqueue("work", id=id)
                confirmed.add(id)
            except NotReplicated as error:
                unconfirmed.update(job.id for job in error.unconfirmed)
            if len(confirmed) >= held_after:
                relay.hold()

    async with (
        Relay() as relay,
        replicated(SERVERS[server], folder, through=relay) as (master, replica),
    ):
        async with Queue("q", master.url, durability=Replicated(1, timeout=0.2)) as queue:
            await asyncio.gather(*(produce(queue, caller) for caller in range(CALLERS)))
            assert (await queue.counts()).queued == JOBS
        began = time.monotonic()
        if not split:
            master.kill9()
        promote(replica)
        kept = ids_on(replica, "q")
        assert len(confirmed) + len(unconfirmed) == JOBS
        assert len(confirmed) >= held_after
        assert confirmed <= kept
        async with Queue("q", replica.url) as queue:

            @queue.task
            async def work() -> None:
                return None

            await Worker(queue).run(burst=True)
            assert (await queue.counts()).completed == len(kept)
        if split:
            with sync(master) as client:
                client.replicaof("127.0.0.1", str(replica.port))
            await wait_until(
                lambda: ids_on(master, "q") == kept, "the old master to forget the rest", 20
            )
        with sync(replica) as client:
            copy = snapshot(client, "ajr", "q")
        assert copy is not None
        assert faults(copy) == []
        return len(unconfirmed), JOBS - len(kept), time.monotonic() - began
