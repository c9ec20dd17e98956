"""Queues, schedules, workers, dead letters and events over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from aiojobs_redis import Queue, Worker
from aiojobs_redis.web import Dashboard
from tests.support.raw import add_deaf_worker
from tests.support.waiting import wait_until
from tests.web.conftest import Reach, memory_queue


async def done(client: httpx2.AsyncClient, path: str, body: Any = None) -> dict[str, Any]:
    answer = await client.post(path, json=body) if body is not None else await client.post(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def read(client: httpx2.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_counts_are_those_of_the_queue(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    await web_queue.enqueue("add", 1, 2, priority=3)
    await web_queue.enqueue("add", 1, 2, delay=60)
    expected = asdict(await web_queue.counts()) | {"queue": web_queue.name}

    found = await read(client, f"/api/queues/{web_queue.name}")
    (listed,) = (await read(client, "/api/queues"))["queues"]

    for counts in (found, listed):
        assert counts.pop("oldest_seconds") >= 0
        assert counts == {k: v for k, v in expected.items() if k != "oldest_seconds"}
    (priority,) = (await read(client, f"/api/queues/{web_queue.name}/priorities"))["priorities"]
    assert (priority["priority"], priority["queued"]) == (3, 1)


@pytest.mark.requirement("D32")
async def test_an_autoscaler_reads_depth_age_and_what_is_in_flight(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    await web_queue.enqueue_many(web_queue.bind("add", n, n) for n in range(5))
    (lease, *_) = await web_queue.claim(2)

    async def aged() -> bool:
        load = await read(client, f"/api/queues/{web_queue.name}/load")
        return float(load["oldest_seconds"]) > 0.05

    await wait_until(aged, "a job has waited for a while")
    load = await read(client, f"/api/queues/{web_queue.name}/load")
    counts = await web_queue.counts()

    assert (load["depth"], load["running"], load["pending"], load["workers"]) == (3, 2, 5, 0)
    assert load["oldest_seconds"] == pytest.approx(counts.oldest_seconds, abs=1)
    await lease.release()


async def test_metrics_are_those_of_the_queue(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    await web_queue.enqueue("add", 1, 2)
    await web_queue.enqueue("fail", "x")
    await Worker(web_queue).run(burst=True)

    found = await read(client, f"/api/queues/{web_queue.name}/metrics", minutes=5)

    assert len(found["minutes"]) == 5
    assert (found["total"]["completed"], found["total"]["dead"]) == (1, 1)
    assert found["tasks"]["add"]["completed"] == 1
    at = [datetime.fromisoformat(minute["at"]) for minute in found["minutes"]]
    assert at[1] - at[0] == timedelta(minutes=1)
    counted = await web_queue.metrics(5)
    assert [m["oldest_seconds"] for m in found["minutes"]] == [
        minute.oldest_seconds for minute in counted.minutes
    ]
    assert None in [minute["oldest_seconds"] for minute in found["minutes"]]


async def test_a_queue_is_paused_and_resumed(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    path = f"/api/queues/{web_queue.name}"

    assert (await done(client, f"{path}/pause"))["changed"]
    assert (await done(client, f"{path}/pause"))["changed"] is False
    assert (await read(client, path))["paused"]
    assert (await done(client, f"{path}/resume", {}))["changed"]
    assert (await done(client, f"{path}/pause", {"task": "add", "key": "acme"}))["changed"]
    (limit,) = (await read(client, f"{path}/limits"))["limits"]
    assert (limit["task"], limit["key"]) == ("add", "acme")
    assert (await done(client, f"{path}/resume", {"task": "add", "key": "acme"}))["changed"]


async def test_a_limit_is_set_and_taken_away(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    path = f"/api/queues/{web_queue.name}"
    await web_queue.enqueue("add", 1, 2)

    await done(client, f"{path}/limit", {"rate": [100, 60], "concurrency": 5, "task": "add"})
    (limit,) = (await read(client, f"{path}/limits"))["limits"]
    await done(client, f"{path}/unlimit", {"task": "add"})

    assert (limit["rate"], limit["concurrency"], limit["task"]) == ([100, 60], 5, "add")
    assert (await read(client, f"{path}/limits"))["limits"] == []


async def test_jobs_that_wait_for_their_time_are_promoted_by_task_and_key(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    await web_queue.enqueue_many(
        web_queue.bind("add", n, n, delay=60, key=key) for n in range(2) for key in ("a", "b")
    )
    path = f"/api/queues/{web_queue.name}/promote_all"

    assert (await done(client, path, {"key": "a", "limit": 1}))["count"] == 1
    assert (await done(client, path, {"task": "fail"}))["count"] == 0
    assert (await done(client, path))["count"] == 3
    assert (await web_queue.counts()).queued == 4


async def test_a_queue_is_drained_and_cleaned(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    await web_queue.enqueue_many([web_queue.bind("add", 1, 2), web_queue.bind("fail")])
    await Worker(web_queue).run(burst=True)
    await web_queue.enqueue_many(
        [web_queue.bind("add", 1, 2), web_queue.bind("add", 1, 2, delay=60)]
    )
    path = f"/api/queues/{web_queue.name}"

    assert (await done(client, f"{path}/drain"))["count"] == 1
    assert (await done(client, f"{path}/drain", {"scheduled": True}))["count"] == 1
    assert (await done(client, f"{path}/clean", {"state": "dead", "error": "KeyError"}))[
        "count"
    ] == 0
    assert (await done(client, f"{path}/clean", {"state": "dead", "limit": 5}))["count"] == 1
    refused = await client.post(f"{path}/clean", json={"state": "running"})
    assert refused.status_code == 422
    counts = await web_queue.counts()
    assert (counts.unfinished, counts.dead, counts.completed) == (0, 0, 1)


async def test_dead_letters_are_listed_and_run_again_by_task_and_error(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    @web_queue.task(attempts=1)
    async def lose() -> None:
        raise KeyError("x")

    await web_queue.enqueue_many([*(web_queue.bind("fail", f"{n}") for n in range(3)), lose.bind()])
    await Worker(web_queue).run(burst=True)

    every = await read(client, "/api/dead", limit=2)
    rest = await read(client, "/api/dead", offset=every["next_offset"])
    lost = await read(client, "/api/dead", error="KeyError")
    replayed = await done(client, "/api/dead/replay_all", {"task": "fail", "error": "ValueError"})

    assert len(every["jobs"]) + len(rest["jobs"]) == 4
    assert [job["task"] for job in lost["jobs"]] == ["lose"]
    assert replayed["count"] == 3
    assert (await web_queue.counts()).dead == 1


async def test_schedules_are_listed_and_operated(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    await web_queue.schedule("a/b", web_queue.bind("add", 1, 2), cron="0 0 * * *", tz="Asia/Tokyo")
    path = "/api/schedules/a%2Fb"

    (shown,) = (await read(client, "/api/schedules"))["schedules"]
    made = await done(client, f"{path}/trigger")
    await done(client, f"{path}/pause")
    (paused,) = await web_queue.schedules()
    await done(client, f"{path}/resume")
    (resumed,) = await web_queue.schedules()
    await done(client, f"{path}/remove")

    assert (shown["id"], shown["expression"], shown["tz"]) == ("a/b", "0 0 * * *", "Asia/Tokyo")
    assert await web_queue.job(made["id"]).state() == "queued"
    assert (paused.enabled, resumed.enabled) == (False, True)
    assert await web_queue.schedules() == []
    for word in ("trigger", "pause", "resume", "remove"):
        answer = await client.post(f"{path}/{word}")
        assert answer.status_code == 404, word
        assert "'a/b'" in answer.json()["detail"]


async def test_workers_are_listed_with_the_tasks_that_they_know(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    await web_queue.enqueue("add", 1, 2)
    async with Worker(web_queue, concurrency=7):

        async def seen() -> bool:
            return bool(await web_queue.workers())

        await wait_until(seen, "the worker has told of itself")
        (worker,) = (await read(client, "/api/workers"))["workers"]

    assert (worker["concurrency"], worker["tasks"]) == (7, ["add", "fail"])
    assert (worker["state"], worker["asked"]) == ("running", None)


async def test_a_worker_is_quieted_resumed_and_stopped(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    worker = Worker(web_queue)
    run = asyncio.create_task(worker.run())

    async def shown(state: str) -> None:
        async def is_so() -> bool:
            found = (await read(client, "/api/workers"))["workers"]
            return [(each["id"], each["state"]) for each in found] == [(worker.id, state)]

        await wait_until(is_so, f"the worker to be {state}")

    await shown("running")
    path = f"/api/workers/{worker.id}"
    said = await done(client, f"{path}/quiet")
    await shown("quiet")
    await done(client, f"{path}/resume")
    await shown("running")
    await done(client, f"{path}/stop")
    await asyncio.wait_for(run, 10)

    assert said == {
        "action": "quiet_worker",
        "queue": web_queue.name,
        "id": worker.id,
        "changed": True,
        "count": None,
    }
    assert (await read(client, "/api/workers"))["workers"] == []
    for word in ("quiet", "resume", "stop"):
        gone = await client.post(f"{path}/{word}")
        assert gone.status_code == 404, word
        assert worker.id in gone.json()["detail"]


async def test_what_is_asked_of_a_worker_is_shown_until_it_obeys(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    await add_deaf_worker(web_queue, "a/b c")
    await done(client, "/api/workers/a%2Fb%20c/stop")
    (worker,) = (await read(client, "/api/workers"))["workers"]
    page = await client.get("/workers")

    assert (worker["id"], worker["state"], worker["asked"]) == ("a/b c", "running", "stop")
    assert "asked to stop" in page.text


@pytest.mark.parametrize("state", ["running", "quiet", "stopping"])
async def test_the_page_offers_what_a_worker_can_do_and_no_script_is_needed(
    client: httpx2.AsyncClient, web_queue: Queue, state: str
) -> None:
    await add_deaf_worker(web_queue, state=state)
    page = await client.get("/workers")
    offered = [word for word in ("quiet", "resume", "stop") if f"/do/{word}_worker" in page.text]

    assert (
        offered
        == {
            "running": ["quiet", "stop"],
            "quiet": ["resume", "stop"],
            "stopping": [],
        }[state]
    )
    fields = {"queue": web_queue.name, "worker": "deaf", "back": "/workers"}
    asked = await client.post("/do/stop_worker", data=fields)
    assert "Stop the worker deaf?" in asked.text
    assert (await web_queue.workers())[0].asked is None
    answer = await client.post("/do/stop_worker", data={**fields, "sure": "1"})
    assert answer.status_code == 303
    assert (await web_queue.workers())[0].asked == "stop"
    assert "asked to stop" in (await client.get(answer.headers["location"])).text


async def test_long_lists_of_settings_come_in_parts(reach: Reach) -> None:
    queue = memory_queue("one")
    client = reach(Dashboard(queue))
    for n in range(5):
        await queue.schedule(f"{n}", queue.bind("add", n), every=60)
        await queue.limit(concurrency=1, key=f"{n}")

    for path, name in (("/api/schedules", "schedules"), ("/api/queues/one/limits", "limits")):
        first = await read(client, path, limit=3)
        rest = await read(client, path, limit=3, offset=first["next_offset"])
        whole = await read(client, path)
        assert (first["next_offset"], rest["next_offset"], whole["next_offset"]) == (3, None, None)
        assert first[name] + rest[name] == whole[name]
        assert len(whole[name]) == 5


async def test_events_come_by_the_page(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    jobs = [await web_queue.enqueue("add", n, n) for n in range(5)]
    await Worker(web_queue).run(burst=True)

    newest = (await read(client, "/api/events", limit=3))["events"]
    found: list[dict[str, Any]] = []
    since = "0-1"
    while page := (await read(client, "/api/events", since=since, limit=2))["events"]:
        found += page
        since = page[-1]["id"]
    some = (await read(client, "/api/events", types="completed,dead"))["events"]

    of = {
        kind: [e["job"] for e in found if e["type"] == kind] for kind in ("enqueued", "completed")
    }
    assert of["enqueued"] == [job.id for job in jobs]
    assert sorted(of["completed"]) == sorted(job.id for job in jobs)
    assert len({event["id"] for event in found}) == len(found)
    assert newest == found[-3:]
    assert some == [event for event in found if event["type"] == "completed"]


async def test_events_of_the_application_show_what_they_say(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    await web_queue.emit("paid", {"cents": 7, "raw": b"\x00"})
    await web_queue.emit("seen", [1])
    events = (await read(client, "/api/events", types="emitted"))["events"]

    assert [(event["type"], event["job"], event["data"]) for event in events] == [
        ("emitted", None, {"name": "paid", "data": {"cents": 7, "raw": "AA=="}}),
        ("emitted", None, {"name": "seen", "data": [1]}),
    ]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/events?since=x", "since"),
        ("/api/events?types=flown", "types"),
        ("/api/events?types=", "types"),
        ("/api/events?limit=1001", "limit"),
        ("/api/actions?before=x", "before"),
        ("/api/actions?limit=0", "limit"),
        ("/api/jobs?limit=251", "limit"),
        ("/api/jobs?limit=ten", "limit"),
        ("/api/jobs?offset=-1", "offset"),
        ("/api/jobs?state=flying", "state"),
        ("/api/jobs?limit=1&limit=2", "limit"),
        ("/api/jobs?nope=1", "nope"),
        ("/api/dead?limit=251", "limit"),
        ("/api/queues/one/metrics?minutes=2881", "minutes"),
        ("/health/ready?max_depth=-1", "max_depth"),
    ],
)
async def test_a_wrong_parameter_is_named(reach: Reach, path: str, field: str) -> None:
    answer = await reach(Dashboard(memory_queue("one"))).get(path)

    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["field"] == field
    assert problem["status"] == 422


@pytest.mark.requirement("R1")
@pytest.mark.parametrize(
    ("path", "body", "field", "said"),
    [
        ("jobs/x/reschedule", {}, "$", "reschedule takes either delay or at"),
        ("jobs/x/reschedule", {"delay": 1, "at": "2099-01-01T00:00:00Z"}, "$", "one of them"),
        ("queues/one/pause", {"key": "*"}, "$", "*"),
        ("queues/one/limit", {}, "$", "takes rate, concurrency or both"),
        ("queues/one/limit", {"task": "add", "rate": None}, "$", "unlimit takes a limit away"),
        ("jobs/" + "x" * 257 + "/retry", None, "id", "257 bytes"),
    ],
)
async def test_what_a_queue_does_not_accept_names_its_field(
    reach: Reach, path: str, body: dict[str, Any] | None, field: str, said: str
) -> None:
    queue = memory_queue("one")
    client = reach(Dashboard(queue, read_only=False))

    answer = await client.post(f"/api/{path}", json=body)

    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field, answer.text
    assert said in answer.json()["detail"]
    assert "Nothing was changed" in answer.json()["detail"]


async def test_of_several_queues_the_name_is_wanted(reach: Reach) -> None:
    client = reach(Dashboard([memory_queue("one"), memory_queue("two")]))

    missing = await client.get("/api/jobs")
    unknown = await client.get("/api/jobs", params={"queue": "three"})

    assert (missing.status_code, unknown.status_code) == (422, 404)
    assert "one, two" in missing.json()["detail"]
    assert missing.json()["field"] == "queue"
    assert "'three'" in unknown.json()["detail"]
    assert len((await read(client, "/api/queues"))["queues"]) == 2
    assert (await client.get("/api/queues/three")).status_code == 404
    assert await read(client, "/api/jobs", queue="two")


async def test_what_is_not_there_is_told_as_a_problem(reach: Reach) -> None:
    client = reach(Dashboard(memory_queue("one")))

    nothing = await client.get("/api/nothing")
    wrong = await client.delete("/api/jobs")

    assert (nothing.status_code, wrong.status_code) == (404, 405)
    for answer in (nothing, wrong):
        assert answer.headers["content-type"] == "application/problem+json"
    assert "/api/openapi.json" in nothing.json()["detail"]
