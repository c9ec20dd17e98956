"""Dead jobs are replayed by a process that is killed again and again: each is in one place."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import Queue, Worker, check_history
from aiojobs_redis._redis.keys import queue_keys
from aiojobs_redis._redis.scripts import SCRIPTS
from tests.support import figures
from tests.support.invariants import faults
from tests.support.other_process import start_python
from tests.support.proxy import Proxy, runs_script
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.tiers import sizes_over_servers
from tests.support.waiting import wait_until

NAME = "redrive"
REPLAY = """
    import asyncio, sys
    from aiojobs_redis import Queue

    async def main():
        queue = Queue(sys.argv[2], url=sys.argv[1], namespace="test")
        with queue.record_history(sys.argv[3]):
            print("ready", flush=True)
            print(await queue.replay_all(), flush=True)
        await queue.close()

    asyncio.run(main())
"""
PLACES = ("ready", "suspects", "scheduled", "retrying", "leases", "blocked", "completed", "kept")


@pytest.mark.behaviour("F42")
@sizes_over_servers(
    ci={"jobs": 600, "within": 20}, whole={"jobs": 10_000, "within": 0.1}, apart=True
)
async def test_a_replay_that_is_killed_midway_leaves_each_job_in_one_place(
    start_server: Callable[..., ServerProcess], tmp_path: Path, size: Mapping[str, Any]
) -> None:
    history = tmp_path / "history"
    async with contextlib.AsyncExitStack() as stack:
        (name,) = size["servers"]
        await replay_under_kills(start_server(kind=name), size, stack, history)
    report = check_history(history)
    assert not report.violations, report
    # Twice each, and the second time for no other cause.
    assert report.executions == 2 * size["jobs"]
    assert report.causes == {"replay": size["jobs"]}


async def replay_under_kills(
    server: ServerProcess, size: Mapping[str, Any], stack: contextlib.AsyncExitStack, history: Path
) -> None:
    """Kill one process after the other that replays, until no job is dead."""
    url = server.url
    queue = Queue(NAME, url=url, namespace="test")
    recorder = queue.record_history(history)

    @queue.task(attempts=1)
    async def bad() -> None:
        raise ValueError("still bad")

    jobs = await queue.enqueue_many([bad.bind()] * size["jobs"])

    async def all_dead() -> bool:
        return (await queue.counts()).dead == len(jobs)

    async with Worker(queue, concurrency=100):
        await wait_until(all_dead, "all to be dead", 60)
    kills = midway = 0
    client = sync_client(url)
    applied, never = asyncio.Event(), asyncio.Event()

    async def hold(words: list[bytes]) -> None:
        if size["tier"] == "ci" and runs_script("replay")(words):
            applied.set()
            await never.wait()

    # Or the first reply would be the one that asks for the script.
    client.script_load(SCRIPTS["replay"].text)
    proxy = await stack.enter_async_context(Proxy(server.socket))
    proxy.after = hold
    while (await queue.counts()).dead:
        applied.clear()
        process = await start_python(REPLAY, proxy.url, NAME, str(history))
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        until = time.monotonic() + size["within"]

        def due(until: float = until, process: Any = process) -> bool:
            assert look(client) == len(jobs)
            # In CI with the reply to its first batch on the way, else after the time of the row.
            return applied.is_set() or process.returncode is not None or time.monotonic() > until

        await wait_until(due, "the moment to come", 30)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        kills += 1
        assert look(client) == len(jobs)
        midway += 0 < (await queue.counts()).dead < len(jobs)
    found = snapshot(client, "test", NAME)
    client.close()
    if found is not None:
        assert faults(found) == []
    infos = await queue.infos([jobs[0].id, jobs[-1].id])
    assert [len(info.errors) for info in infos] == [1, 1], "the history stays"

    # They are as bad as they were: once each, and no more.
    async with Worker(queue, concurrency=100):
        await wait_until(all_dead, "all to be dead again", 60)
    infos = await queue.infos([jobs[0].id, jobs[-1].id])
    assert [len(info.errors) for info in infos] == [2, 2]
    never.set()
    await queue.states([job.id for job in jobs])
    recorder.mark("drained")
    recorder.close()
    await queue.close()
    assert midway > 0, "some were killed midway"
    note = f"{kills} kills, {midway} of them midway; always {len(jobs)} in one place each"
    figures.record("F42", n=len(jobs), tier=size["tier"], note=note)


def look(client: Any) -> int:
    """Return the number of places that jobs are in."""
    keys = queue_keys("test", NAME)
    with client.pipeline(transaction=True) as batch:
        for place in (*PLACES, "dead", "cancelled"):
            batch.zcard(keys[place])
        return sum(batch.execute())
