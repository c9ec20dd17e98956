"""The scripts of aiojobs_redis, driven by a loop that decodes, creates a task and encodes.

No heartbeat, no timeouts, no slots, no outcomes but success: what is left is the limit that these
scripts and this Python set. Two such loops, each with half of the slots, keep Redis busy as the
worker's two exchanges do.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from typing import Any

from aiojobs_redis import Queue
from aiojobs_redis._redis.eager import EAGER
from aiojobs_redis._redis.store import Claim
from aiojobs_redis.spec import read_spec

_BATCH = 250


class BareLoop:
    """Runs the no-op jobs of a queue."""

    def __init__(self, url: str) -> None:
        self.queue = queue = Queue("bench", url=url)

        @queue.task
        async def noop() -> None:
            return None

        self.task = noop
        self.count = 0

    async def exchange(self, jobs: int, limit: int) -> None:
        """Claim, run and complete until that many jobs have run."""
        store, codec = self.queue.store, self.task.codec
        link, loop = store.server.link(), asyncio.get_running_loop()
        function: Any = self.task.function
        incarnation, number = secrets.token_hex(16), 0
        ended: list[str | bytes] = []

        async def run(claim: Claim, nonce: str) -> None:
            args, kwargs = codec.decode(read_spec(claim.blob.partition(b"\n")[2]).call)
            codec.encode_result(await function(*args, **kwargs))
            ended.extend((claim.id, f"{claim.fence},{nonce}", "1", "0", b""))

        while self.count < jobs or ended:
            number += 1
            nonce = secrets.token_hex(16)
            head = (incarnation, number, nonce, "bare", limit, 1, 0, len(ended) // 5, 1, "noop")
            words = (*head, *ended)
            ended.clear()
            for claim in (await store.exchange(link, words)).claims:
                asyncio.Task(run(claim, nonce), loop=loop, **EAGER)
                self.count += 1
            # Tasks that did not start at once have run by then.
            await asyncio.sleep(0)
        link.abort()

    async def drain(self, jobs: int, concurrency: int) -> float:
        """Run that many jobs; jobs a second."""
        start = time.perf_counter()
        await self.queue.connect()
        limit = min(_BATCH, max(1, concurrency // 2))
        await asyncio.gather(*(self.exchange(jobs, limit) for _ in range(2)))
        seconds = time.perf_counter() - start
        await self.queue.close()
        return jobs / seconds


if __name__ == "__main__":
    question = json.loads(sys.argv[1])
    jobs = question["jobs"]
    found = asyncio.run(BareLoop(question["url"]).drain(jobs, question["concurrency"]))
    print(json.dumps({"jobs_per_second": found, "jobs": jobs}))
