"""Jobs claimed by hand: one is completed, one fails and is tried again, one is left to another.

Prints at the end: [('a', 1), ('b', 2), ('c', 1)]; what ran out is refused
"""

from __future__ import annotations

import asyncio
import os

from aiojobs_redis import LeaseLost, Queue

queue = Queue(
    "claims",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)


async def main() -> None:
    async with queue:
        for name in ("a", "b", "c"):
            await queue.enqueue("convert", name, id=name, attempts=2, backoff=[0])
        first, second, third = await queue.claim(3, lease=0.5)
        await first.complete((first.args[0], first.attempt))
        await second.fail("the disk is full")
        # Nobody ends the third one, and its lease runs out.
        while unfinished := (await queue.counts()).unfinished:
            for lease in await queue.claim(unfinished):
                await lease.complete((lease.args[0], lease.attempt))
            await asyncio.sleep(0.05)
        try:
            await third.complete()
        except LeaseLost:
            refused = "what ran out is refused"
        results = [tuple(await queue.job(name).result(timeout=5)) for name in ("a", "b", "c")]
    print(f"{results}; {refused}")


asyncio.run(main())
