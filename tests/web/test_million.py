"""How long a server works on each page and list, over as many jobs as a queue ever has."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_redis import BoundCall, Queue, Worker
from aiojobs_redis.web import Dashboard
from tests.support.figures import record
from tests.support.tiers import sizes
from tests.web.conftest import Reach
from tests.web.test_bounded import READS, Spent, filled
from tests.web.test_page_bounds import PAGES

pytestmark = pytest.mark.requirement("S17")

__all__ = ["filled"]

# A job in four waits for its time, the others for a worker.
_CHUNK = 20_000


async def enqueue(queue: Queue, many: int) -> None:
    """Add that many jobs, of 100 bytes of arguments each."""
    text = "x" * 100

    def call(number: int) -> BoundCall[Any]:
        options = {"delay": 86_400} if number % 4 == 0 else {}
        return queue.bind("fail", text, **options)

    for first in range(0, many, _CHUNK):
        await queue.enqueue_many(call(n) for n in range(first, min(first + _CHUNK, many)))


@sizes(
    # A server that shares its processor with a test run is interrupted in between.
    ci={"many": 20_000, "milliseconds": 500, "tries": 3},
    whole={"many": 1_000_000, "milliseconds": 50, "tries": 5},
)
async def test_a_page_or_a_list_keeps_the_server_busy_for_50_ms_at_most(
    filled: Queue, reach: Reach, size: dict[str, Any]
) -> None:
    await filled.enqueue_many(filled.bind("fail", str(n)) for n in range(200))
    await Worker(filled, concurrency=50).run(burst=True)
    await enqueue(filled, size["many"] - 2)
    for id in ("q00000000", "d00000001"):  # which the paths name
        await filled.enqueue("fail", id=id)
    client, spent = reach(Dashboard(filled)), Spent(filled)
    worst: dict[str, float] = {}
    for path in [*PAGES, *READS]:
        found: list[float] = []
        for _ in range(size["tries"]):
            await spent.forget()
            answer = await client.get(path.replace("{q}", filled.name))
            assert answer.status_code in {200, 503}, path
            found.append(await spent.milliseconds())
        worst[path] = min(found)

    counts = await filled.counts()
    assert counts.queued + counts.scheduled == size["many"]
    slowest = max(worst, key=lambda path: worst[path])
    record(
        "S17",
        n=size["many"],
        tier=size["tier"],
        note=f"slowest of {len(worst)} pages and lists {worst[slowest]:.1f} ms of server time "
        f"({slowest})",
    )
    assert {path: ms for path, ms in worst.items() if ms > size["milliseconds"]} == {}
