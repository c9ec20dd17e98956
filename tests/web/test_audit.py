"""Whatever is done through the dashboard is recorded: who, when, what, to which job."""

from __future__ import annotations

import logging
from typing import Any

import httpx2
import pytest

from aiojobs_redis import NotReplicated, Queue, QueueUnavailable, Worker
from aiojobs_redis.web import ACTION_NAMES, Dashboard, Rights, actions
from aiojobs_redis.web.state import Caller
from tests.support.raw import add_deaf_worker
from tests.web.conftest import Reach
from tests.web.test_jobs_api import in_every_state

ADA = Rights.FULL.named("ada")


@pytest.fixture
def ada(web_queue: Queue, reach: Reach) -> httpx2.AsyncClient:
    return reach(Dashboard(web_queue, access=lambda _: ADA))


@pytest.mark.requirement("S19")
@pytest.mark.requirement("B37")
async def test_every_action_is_recorded(ada: httpx2.AsyncClient, web_queue: Queue) -> None:
    ids = await in_every_state(web_queue)
    await web_queue.schedule("pulse", web_queue.bind("add", 1, 2), every=60)
    await add_deaf_worker(web_queue)
    queue = f"/api/queues/{web_queue.name}"
    calls: list[tuple[str, str, Any]] = [
        ("enqueue", "/api/jobs", {"task": "add", "args": [1, 2], "options": {"id": "new"}}),
        ("retry", f"/api/jobs/{ids['dead']}/retry", None),
        ("cancel", f"/api/jobs/{ids['queued']}/cancel", {"reason": "no more"}),
        ("reschedule", f"/api/jobs/{ids['scheduled']}/reschedule", {"delay": 9}),
        ("reprioritise", f"/api/jobs/{ids['scheduled']}/reprioritise", {"priority": 9}),
        ("promote", f"/api/jobs/{ids['scheduled']}/promote", None),
        ("remove", f"/api/jobs/{ids['completed']}/remove", None),
        ("pause", f"{queue}/pause", {"task": "add"}),
        ("resume", f"{queue}/resume", {"task": "add"}),
        ("drain", f"{queue}/drain", None),
        ("clean", f"{queue}/clean", {"state": "dead"}),
        ("promote_all", f"{queue}/promote_all", {"task": "none"}),
        ("replay_all", "/api/dead/replay_all", None),
        ("limit", f"{queue}/limit", {"concurrency": 1}),
        ("unlimit", f"{queue}/unlimit", None),
        ("trigger_schedule", "/api/schedules/pulse/trigger", None),
        ("pause_schedule", "/api/schedules/pulse/pause", None),
        ("resume_schedule", "/api/schedules/pulse/resume", None),
        ("remove_schedule", "/api/schedules/pulse/remove", None),
        ("quiet_worker", "/api/workers/deaf/quiet", None),
        ("resume_worker", "/api/workers/deaf/resume", None),
        ("stop_worker", "/api/workers/deaf/stop", None),
    ]
    assert {action for action, _, _ in calls} == ACTION_NAMES

    for action, path, body in calls:
        answer = await ada.post(path, json=body) if body else await ada.post(path)
        assert answer.status_code in {200, 202}, (action, answer.text)

    records = (await web_queue.actions())[::-1]
    begun = [record for record in records if record.outcome is None]
    assert [record.action for record in begun] == [action for action, _, _ in calls]
    assert {record.who for record in records} == {"ada"}
    assert [r.job for r in begun][:7] == [
        *("new", ids["dead"], ids["queued"], *[ids["scheduled"]] * 3, ids["completed"])
    ]
    cancelled = begun[2]
    assert cancelled.details == {"reason": "no more"}
    assert {r.action: r.outcome for r in records if r.outcome} == {
        "enqueue": "added",
        "drain": "4 jobs",
        "clean": "0 jobs",
        "replay_all": "0 jobs",
        "promote_all": "0 jobs",
        "trigger_schedule": "added",
    }
    read = await ada.get("/api/actions", params={"limit": 2})
    assert [one["id"] for one in read.json()["actions"]] == [r.id for r in records[:-3:-1]]
    assert read.json()["actions"][0]["who"] == "ada"


@pytest.mark.requirement("S19")
async def test_what_failed_is_recorded_with_its_error(
    ada: httpx2.AsyncClient, web_queue: Queue
) -> None:
    await ada.post("/api/jobs/none/retry")

    failed, begun = await web_queue.actions()

    assert (begun.action, begun.job, begun.outcome) == ("retry", "none", None)
    assert failed.outcome is not None
    assert failed.outcome.startswith("JobNotFound: ")


@pytest.mark.requirement("S19")
async def test_the_job_that_was_added_is_recorded_with_what_it_is_a_copy_of(
    ada: httpx2.AsyncClient, web_queue: Queue
) -> None:
    body = {"task": "add", "args": [1, 2], "options": {"unique": "one"}}
    first, again = [(await ada.post("/api/jobs", json=body)).json()["id"] for _ in range(2)]
    await web_queue.schedule("pulse", web_queue.bind("add", 1, 2), every=60)
    made = (await ada.post("/api/schedules/pulse/trigger")).json()["id"]
    call = web_queue.bind("add", 1, 2)
    copy = await actions.enqueue(Caller("ada", ADA), web_queue, call, copy_of=first)

    records = [(r.action, r.job, r.details, r.outcome) for r in await web_queue.actions()][::-1]

    assert first == again
    assert records[0:2] == [
        ("enqueue", None, {"task": "add"}, None),
        ("enqueue", first, {"task": "add"}, "added"),
    ]
    assert records[3] == ("enqueue", first, {"task": "add"}, "is there already, none was added")
    assert records[5] == ("trigger_schedule", made, {"schedule": "pulse"}, "added")
    assert records[7] == ("enqueue", copy.id, {"task": "add", "copy_of": first}, "added")


async def test_a_job_that_was_added_but_not_confirmed_is_recorded_with_its_id(
    ada: httpx2.AsyncClient, web_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue = web_queue.enqueue_call

    async def unconfirmed(call: Any) -> Any:
        error = NotReplicated("0 of 1 replicas")
        error.jobs = [await enqueue(call)]
        raise error

    monkeypatch.setattr(web_queue, "enqueue_call", unconfirmed)
    answer = await ada.post("/api/jobs", json={"task": "add", "args": [1, 2]})
    record = (await web_queue.actions())[0]

    assert answer.status_code == 503
    assert record.job is not None
    assert await web_queue.job(record.job).state() == "queued"
    assert record.outcome == "NotReplicated: 0 of 1 replicas"


async def test_what_is_not_recorded_is_not_done(
    ada: httpx2.AsyncClient, web_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await web_queue.enqueue("add", 1, 2)

    async def refuse(*_: Any, **__: Any) -> str:
        raise QueueUnavailable("it does not answer")

    monkeypatch.setattr(web_queue, "note_action", refuse)
    answer = await ada.post(f"/api/jobs/{job.id}/cancel")

    assert answer.status_code == 503
    assert await job.state() == "queued"


async def test_the_log_has_every_action_and_no_arguments(
    ada: httpx2.AsyncClient, web_queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = {"task": "fail", "args": ["S3CR3T"], "options": {"headers": {"token": "S3CR3T"}}}

    added = (await ada.post("/api/jobs", json=body)).json()
    await Worker(web_queue).run(burst=True)
    await ada.post(f"/api/jobs/{added['id']}/retry")

    told = [r for r in caplog.records if r.name == "aiojobs_redis.audit"]
    assert [vars(record)["action"] for record in told] == ["enqueue", "enqueue", "retry"]
    assert {vars(record)["who"] for record in told} == {"ada"}
    assert [vars(record)["job_id"] for record in told] == [None, added["id"], added["id"]]
    assert told[1].getMessage() == (
        f"ada: enqueue, job {added['id']}, queue {web_queue.name}: added"
    )
    assert "S3CR3T" not in "".join(str(vars(record)) for record in told)
    assert "S3CR3T" not in (await ada.get("/api/actions")).text
