"""What happens in worker processes is told here, each occurrence once, a death of one included."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from aiojobs_redis import Event, Queue
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerHost


@pytest.mark.requirement("B6")
@pytest.mark.behaviour("T36")
async def test_events_of_other_processes_are_told_here_and_once(
    queue: Queue, host: WorkerHost
) -> None:
    seen: list[Event] = []

    async def listen() -> None:
        async for event in queue.events("0-0"):
            seen.append(event)  # noqa: PERF401 - each is looked at while others are to come

    def told(job: str, *kinds: str) -> bool:
        found = Counter[str](event.type for event in seen if event.job == job)
        return all(found[kind] for kind in kinds)

    listening = asyncio.create_task(listen())
    gate = str(host.gate())
    held = await queue.enqueue("hold", gate, lease=1)
    worse = await queue.enqueue("hold", gate, lease=1, max_deliveries=1)
    victim = host.start()
    await host.wait_for("started", 2)
    victim.kill()
    host.gate().touch()
    heir = host.start()
    bad = await queue.enqueue("hold", None, attempts=1)
    assert await held.result(20) == heir.pid
    await wait_until(lambda: told(held.id, "completed"), "the end of the job", 10)
    await wait_until(lambda: told(worse.id, "dead"), "the death by a lost lease", 10)
    await wait_until(lambda: told(bad.id, "dead"), "the death by its arguments", 10)
    listening.cancel()

    by_job = {
        job.id: [event.type for event in seen if event.job == job.id] for job in (held, worse, bad)
    }
    assert by_job == {
        held.id: ["enqueued", "started", "recovered", "started", "completed"],
        worse.id: ["enqueued", "started", "recovered", "dead"],
        bad.id: ["enqueued", "started", "failed", "dead"],
    }
    workers = [event.worker for event in seen if event.job == held.id]
    assert workers[0] is workers[2] is None
    assert workers[1] != workers[3] == workers[4]
