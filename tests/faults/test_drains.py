"""A drain that is killed between any two of its batches leaves a whole queue; again finishes it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import Queue, Worker, check_history
from aiojobs_redis._redis.scripts import SCRIPTS
from tests.support import figures
from tests.support.invariants import faults
from tests.support.other_process import start_python
from tests.support.proxy import Proxy, runs_script
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.tiers import sizes_over_servers
from tests.support.waiting import wait_until

NAME = "drained"
DRAIN = """
    import asyncio, sys
    from aiojobs_redis import Queue

    async def main():
        queue = Queue(sys.argv[2], url=sys.argv[1], namespace="test")
        with queue.record_history(sys.argv[3]):
            print("ready", flush=True)
            print(await queue.drain(scheduled=True), flush=True)
        await queue.close()

    asyncio.run(main())
"""


@pytest.mark.requirement("B29")
@sizes_over_servers(ci={"jobs": 900, "kills": 2}, whole={"jobs": 9000, "kills": 30}, apart=True)
async def test_a_drain_may_be_killed_while_workers_go_on(
    start_server: Callable[..., ServerProcess], tmp_path: Path, size: Mapping[str, Any]
) -> None:
    (name,) = size["servers"]
    server = start_server(kind=name)
    client = sync_client(server.url)
    # Or the first reply would be the one that asks for the script.
    client.script_load(SCRIPTS["remove"].text)
    queue = Queue(NAME, url=server.url, namespace="test")
    ran: set[str] = set()
    go_on = asyncio.Event()

    @queue.task
    async def work(id: str) -> None:
        await go_on.wait()
        ran.add(id)

    with queue.record_history(tmp_path):
        ids = [f"job-{n}" for n in range(size["jobs"])]
        # Every third one waits for its time.
        jobs = await queue.enqueue_many(
            [work.options(id=id, delay=0 if n % 3 else 3600).bind(id) for n, id in enumerate(ids)]
        )
        async with Worker(queue, concurrency=10):
            await wait_until(lambda: _running(queue, 10), "ten to run")
            for _ in range(size["kills"]):
                await die_in_a_drain(server, tmp_path)
                copy = snapshot(client, "test", NAME)
                assert copy is not None
                assert faults(copy) == []
            left = (await queue.counts()).unfinished
            assert 10 < left < len(jobs), "killed in its midst"
            assert await queue.drain(scheduled=True) == left - 10
            go_on.set()
            await wait_until(lambda: _running(queue, 0), "the ten to end", 20)
        states = await queue.states(ids)
    client.close()
    await queue.close()

    assert len(ran) == 10, "what ran was not removed, and what was removed did not run"
    assert {id for id, state in states.items() if state is not None} == ran
    report = check_history(tmp_path)
    assert not report.violations, report
    note = f"{size['kills']} kills, {left - 10} jobs left for the last drain"
    figures.record("B29", n=size["kills"], tier=size["tier"], note=note)


async def die_in_a_drain(server: ServerProcess, folder: Path) -> None:
    """Let a process begin a drain, and kill it once a batch is gone, its reply not read."""
    gone, never = asyncio.Event(), asyncio.Event()

    async def hold(words: list[bytes]) -> None:
        if runs_script("remove")(words):
            gone.set()
            await never.wait()

    async with Proxy(server.socket) as proxy:
        proxy.after = hold
        process = await start_python(DRAIN, proxy.url, NAME, str(folder))
        await wait_until(gone.is_set, "the first batch", 20)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        never.set()


async def _running(queue: Queue, number: int) -> bool:
    counts = await queue.counts()
    return counts.running == number
