"""A result of fifty megabytes: the job is done, its result is marked, memory stays in bounds."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from aiojobs_redis import JobState, Queue
from aiojobs_redis.errors import ResultTooLarge
from tests.support import figures
from tests.support.other_process import run_python
from tests.support.servers import ServerProcess

MEGABYTE = 1024 * 1024
SIZE = 50 * MEGABYTE
MOST = 100 * MEGABYTE
WORKER = """
    import asyncio, contextlib, json, resource, sys
    from aiojobs_redis import Queue, ResultTooLarge, Worker

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    async def main():
        queue = Queue("huge", url=sys.argv[1], namespace="test")

        @queue.task
        async def small() -> str:
            return "x"

        @queue.task
        async def huge(size: int) -> str:
            return "x" * size

        async with Worker(queue):
            await (await small.enqueue()).result(10)
            before = peak()
            job = await huge.options(id="huge").enqueue(int(sys.argv[2]))
            with contextlib.suppress(ResultTooLarge):
                await job.result(60)
            print(json.dumps([before, peak()]))
        await queue.close()

    asyncio.run(main())
"""


@pytest.mark.behaviour("F44")
async def test_a_huge_result_is_marked_and_its_job_is_done(
    start_server: Callable[..., ServerProcess],
) -> None:
    url = start_server().url
    before, after = json.loads(await run_python(WORKER, url, str(SIZE)))
    async with Queue("huge", url=url, namespace="test") as queue:
        job = queue.job("huge")
        assert await job.state() is JobState.COMPLETED
        with pytest.raises(ResultTooLarge, match=str(SIZE)[:4]):
            await job.result(5)

    grown = after - before
    assert grown <= MOST
    note = f"{SIZE // MEGABYTE} MB result: RSS + {grown / MEGABYTE:.0f} MB, the value included"
    figures.record("F44", n=1, note=note)
