"""Every transition of docs/concepts.md is one record of the worker that made it, or nobody's.

The table of that page is read, so a row that is added there needs an entry here.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from aiojobs_redis import Cancel, Fixed, Queue, Snooze, Throttle, WaitFor, Worker, current_job
from aiojobs_redis.contrib.prometheus import PrometheusMetrics
from aiojobs_redis.worker import janitor
from tests.docs.pages import DOCS
from tests.support.raw import raw
from tests.support.scripts import Scripts
from tests.support.waiting import wait_until

Steps = list[tuple[str, str]]

BEGUN = ("started", "running")
DONE = ("completed", "completed")
DEAD = ("dead", "dead")
CANCELLED = ("cancelled", "cancelled")
LOST = ("recovered", "queued")

EXPECTED: dict[str, Steps] = {
    "returns": [BEGUN, DONE],
    "fails once": [BEGUN, ("retrying", "retrying"), BEGUN, DONE],
    "fails once, at once": [BEGUN, ("retrying", "queued"), BEGUN, DONE],
    "fails for good": [BEGUN, DEAD],
    "snoozes": [BEGUN, ("snoozed", "scheduled"), BEGUN, DONE],
    "waits for others": [BEGUN, ("waiting", "blocked"), BEGUN, DONE],
    "waits for itself": [BEGUN, DEAD],
    "throttles": [BEGUN, ("throttled", "queued"), BEGUN, DONE],
    "cancels itself": [BEGUN, CANCELLED],
    "is cancelled": [BEGUN, CANCELLED],
    "is cancelled as it fails": [BEGUN, CANCELLED],
    "is cut off": [BEGUN, ("handed_back", "queued")],
    "is cut off, once": [BEGUN, DEAD],
    "expires": [DEAD],
    "starts too often": [BEGUN, ("snoozed", "queued"), DEAD],
    "is unknown": [("parked", "blocked")],
    "stays unknown": [("parked", "blocked"), DEAD],
    "loses its parent": [DEAD],
    "ends with its parent": [CANCELLED],
    "loses its lease": [LOST, BEGUN, DONE],
    "loses its last lease": [("recovered", "dead"), DEAD],
    "loses its lease, once": [("recovered", "dead"), DEAD],
    "is cancelled, and loses its lease": [("recovered", "cancelled"), CANCELLED],
    "is damaged": [DEAD],
    "ticks": [("enqueued", "queued"), BEGUN, DONE],
}
CALLERS = "a caller makes it: it shows in the events, and what operators do in the audit log"
WAITS = "it only waits elsewhere now: the next step is its start"
RENEWED = "the lease goes on"
NEW = "\N{EN DASH}"
FORGOTTEN = "its record has gone"
ROWS: dict[tuple[str, str], str | list[str]] = {
    (NEW, "queued"): ["ticks", CALLERS],
    (NEW, "scheduled"): CALLERS,
    (NEW, "blocked"): CALLERS,
    ("queued, scheduled", "queued, scheduled"): CALLERS,
    ("blocked", "scheduled"): WAITS,
    ("scheduled, retrying", "queued"): WAITS,
    ("scheduled, retrying", "the same"): CALLERS,
    ("queued", "queued"): CALLERS,
    ("queued", "running"): "returns",
    ("queued, blocked", "running"): "returns",
    ("queued", "dead"): ["expires", "starts too often"],
    ("queued", "blocked"): WAITS,
    ("running", "running"): RENEWED,
    ("running", "completed"): "returns",
    ("running", "retrying"): ["fails once", "fails once, at once"],
    ("running", "dead"): [
        *("fails for good", "is cut off, once", "loses its last lease", "loses its lease, once"),
        "waits for itself",
    ],
    ("running", "scheduled"): "snoozes",
    ("running", "queued"): ["throttles", "is cut off", "loses its lease"],
    ("running", "cancelled"): [
        *("cancels itself", "is cancelled", "is cancelled as it fails"),
        "is cancelled, and loses its lease",
    ],
    ("running", "blocked"): ["is unknown", "waits for others"],
    ("blocked", "queued"): WAITS,
    ("blocked", "queued, scheduled"): WAITS,
    ("blocked", "dead, cancelled"): ["loses its parent", "ends with its parent"],
    ("dead, cancelled", "queued, blocked"): CALLERS,
    ("completed, dead, cancelled", "blocked"): CALLERS,
    ("blocked", "dead"): "stays unknown",
    ("queued, scheduled, retrying, blocked", "cancelled"): CALLERS,
    ("completed, dead, cancelled", "queued"): CALLERS,
    ("any but running", "gone"): FORGOTTEN,
    ("completed, dead, cancelled", "gone"): FORGOTTEN,
    ("queued, scheduled, retrying, running, blocked", "dead"): "is damaged",
    ("any", "gone"): FORGOTTEN,
}


@pytest.mark.requirement("B39")
def test_each_row_of_the_table_has_an_entry() -> None:
    page = (DOCS / "concepts.md").read_text()
    table = page.partition("### Every transition")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `", table, re.M)

    assert set(rows) == set(ROWS)
    named = [entry if isinstance(entry, list) else [entry] for entry in ROWS.values()]
    reasons = {CALLERS, WAITS, RENEWED, FORGOTTEN}
    assert {name for names in named for name in names} - reasons == set(EXPECTED)


def cancel_elsewhere(url: str, queue: str, id: str) -> None:
    """Cancel a job as another process would, while this event loop stands still."""

    async def cancel() -> None:
        async with Queue(queue, url=url, namespace="test") as other:
            assert await other.job(id).cancel()

    thread = threading.Thread(target=asyncio.run, args=[cancel()])
    thread.start()
    thread.join()


async def passed(queue: Queue, ms: float) -> None:
    """Wait until the clock of the server has gone on so far."""

    async def now() -> float:
        seconds, micros = map(int, await raw(queue, "TIME"))
        return seconds * 1000 + micros / 1000

    then = await now() + ms

    async def past() -> bool:
        return await now() > then

    await wait_until(past, f"{ms} ms of the server's clock", 20)


@pytest.mark.requirement("B38")
@pytest.mark.requirement("B39")
async def test_each_transition_of_a_worker_is_one_record_and_counts_once(
    queue: Queue,
    server_url: str,
    other: Scripts,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(janitor, "_ROUND", 0.3)
    caplog.set_level(logging.INFO, "aiojobs_redis")
    before: set[str] = set()

    @queue.task(attempts=2, backoff=Fixed(0.01))
    async def work(how: str) -> str:
        first = how not in before
        before.add(how)
        match how.partition(",")[0]:
            case "fails once" if first:
                raise ValueError(how)
            case "fails for good" | "is a parent":
                raise KeyError(how)
            case "snoozes" if first:
                raise Snooze(0.01)
            case "starts too often":
                raise Snooze(0)
            case "waits for others" if first:
                raise WaitFor([await work.enqueue("returns")])
            case "waits for itself":
                raise WaitFor([current_job().id])
            case "throttles" if first:
                raise Throttle(0.01, scope="key")
            case "cancels itself":
                raise Cancel(how)
            case "is cancelled as it fails":
                cancel_elsewhere(server_url, queue.name, current_job().id)
                raise ValueError(how)
            case "is cancelled" | "is cut off":
                await asyncio.sleep(60)
        return how

    @queue.cron("* * * * * *")
    async def tick() -> None:
        pass

    options: dict[str, dict[str, Any]] = {
        "fails once, at once": {"backoff": Fixed(0)},
        "fails for good": {"attempts": 1},
        "throttles": {"key": "tenant"},
        "is cut off, once": {"delivery": "at_most_once"},
        "expires": {"expires": 0.01},
        "starts too often": {"max_starts": 1},
        "loses its last lease": {"max_deliveries": 1},
        "loses its lease, once": {"delivery": "at_most_once"},
    }
    ids: dict[str, str] = {}

    async def enqueue(*hows: str) -> None:
        for how in hows:
            ids[how] = (await work.options(**options.get(how, {})).enqueue(how)).id

    held = [how for how in EXPECTED if "lose" in how and "lease" in how]
    await enqueue(*held)
    # Short for who loses it, and as long as usual for who has it then.
    assert len(await queue.claim(10, lease=0.5)) == len(held) == 4
    assert await queue.job(ids["is cancelled, and loses its lease"]).cancel()
    made_below = {"is unknown", "stays unknown", "loses its parent", "ends with its parent"}
    await enqueue(*(how for how in EXPECTED if how not in {*held, *made_below, "ticks"}))
    for how in ("is unknown", "stays unknown"):
        ids[how] = (await queue.enqueue("unknown", how)).id
    parent = await work.options(attempts=1).enqueue("is a parent")
    for how, child in (
        ("loses its parent", work.options(depends_on=[parent], on_parent_failure="fail")),
        ("ends with its parent", work.options(depends_on=[parent], on_parent_failure="cancel")),
    ):
        ids[how] = (await child.enqueue(how)).id
    damaged = await work.options(delay=3600).enqueue("is damaged")
    await queue.job(ids["is damaged"]).cancel()
    ids["is damaged"] = damaged.id
    await passed(queue, 10)

    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    worker = Worker(queue, concurrency=50)
    metrics.watch(worker)

    def steps(how: str) -> Steps:
        records = [vars(record) for record in caplog.records]
        if how == "ticks":
            ids[how] = next((r["job_id"] for r in records if r.get("transition") == "enqueued"), "")
        return [(r["transition"], r["state"]) for r in records if r.get("job_id") == ids[how]]

    def finished(outcome: str) -> float:
        found = [s for m in registry.collect() for s in m.samples]
        name = "aiojobs_redis_jobs_finished_total"
        return sum(s.value for s in found if s.name == name and s.labels["outcome"] == outcome)

    running = asyncio.create_task(worker.run())
    await wait_until(lambda: steps("is cancelled"), "the one to cancel to run", 20)
    await queue.job(ids["is cancelled"]).cancel()
    await wait_until(lambda: steps("stays unknown"), "the unknown one to be parked", 20)
    # A day ago.
    await raw(queue, "ZADD", other.key("blocked"), 1, ids["stays unknown"])
    await raw(queue, "ZREM", other.key("scheduled"), ids["is damaged"])
    kept = {"is cut off", "is cut off, once"}
    await wait_until(
        lambda: all(len(steps(how)) >= len(EXPECTED[how]) for how in EXPECTED if how not in kept),
        "all to be told",
        20,
    )
    worker.stop(grace=0)
    await running

    told = {how: steps(how) for how in EXPECTED}
    # It may start before its worker has heard that its tick has made it.
    told["ticks"].sort(key=EXPECTED["ticks"].index)
    assert told == EXPECTED
    counts = await queue.counts()
    waited = 1  # the one that was cancelled here before the worker began
    assert finished("completed") == counts.completed
    assert finished("dead") == counts.dead == sum(DEAD in told for told in EXPECTED.values()) + 1
    assert finished("cancelled") == counts.cancelled - waited
