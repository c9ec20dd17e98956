"""Jobs over HTTP, on a real queue with a worker that lives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from aiojobs_redis import JobState, Queue, Worker
from aiojobs_redis.web import Dashboard
from tests.support.raw import dump
from tests.support.waiting import wait_until
from tests.web.conftest import Reach, memory_queue, with_tasks

PROBLEM = "application/problem+json"


@pytest.mark.requirement("R1")
async def test_a_job_is_added_and_runs(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    async with Worker(web_queue):
        answer = await client.post("/api/jobs", json={"task": "add", "args": [1, 2]})

        assert answer.status_code == 202
        added = answer.json()
        assert added["created"] is True
        assert await web_queue.job(added["id"]).result(10) == 3
    record = await client.get(answer.headers["location"])
    assert (record.json()["state"], record.json()["result"]) == ("completed", 3)


@pytest.mark.requirement("R1")
async def test_an_id_that_is_taken_adds_no_job(client: httpx2.AsyncClient) -> None:
    body = {"task": "add", "kwargs": {"a": 1, "b": 2}, "options": {"id": "a/b \u2603"}}

    first, second = [await client.post("/api/jobs", json=body) for _ in range(2)]

    assert [first.json()["created"], second.json()["created"]] == [True, False]
    assert second.json()["id"] == "a/b \u2603"
    assert (await client.get(second.json()["location"])).json()["kwargs"] == {"a": 1, "b": 2}


async def test_every_option_of_a_job_can_be_given(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    parent = await web_queue.enqueue("add", 1, 2)
    other = await web_queue.enqueue("add", 3, 4)
    options = {
        "delay": 60,
        "priority": 5,
        "id": "x",
        "key": "acme",
        "attempts": 4,
        "backoff": [1, 2.5],
        "timeout": None,
        "lease": 30,
        "max_deliveries": 2,
        "max_starts": 9,
        "delivery": "at_most_once",
        "expires": "2099-01-01T00:00:00Z",
        "keep_result": None,
        "keep_dead": 60,
        "keep_cancelled": 60,
        "headers": {"trace": "1"},
        "depends_on": [parent.id, {"id": other.id, "on_failure": "cancel"}],
        "on_parent_failure": "run",
    }

    body = {"task": "add", "args": [1, 2], "options": options}
    answer = await client.post("/api/jobs", json=body)

    assert answer.status_code == 202, answer.text
    info = await web_queue.job("x").info()
    assert info is not None
    assert (info.priority, info.key, info.attempts) == (5, "acme", 4)
    assert info.headers == {"trace": "1"}


async def test_a_job_can_be_told_to_go_first(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    for id, options in (("a", {}), ("b", {"lifo": True})):
        body = {"task": "add", "args": [1, 2], "options": {"id": id, **options}}
        assert (await client.post("/api/jobs", json=body)).status_code == 202

    assert [job.id for job in await web_queue.jobs("queued")] == ["b", "a"]


async def test_a_job_goes_before_the_others_of_its_key(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    for id, options in (("a", {}), ("b", {"key_priority": 5})):
        body = {"task": "add", "args": [1, 2], "options": {"id": id, "key": "k", **options}}
        assert (await client.post("/api/jobs", json=body)).status_code == 202

    assert [lease.job.id for lease in await web_queue.claim(1)] == ["b"]


async def test_a_unique_key_that_is_taken_adds_no_job(client: httpx2.AsyncClient) -> None:
    body = {"task": "add", "args": [1, 2], "options": {"unique": "one"}}

    first, second = [(await client.post("/api/jobs", json=body)).json() for _ in range(2)]

    assert second == first | {"created": False}


@pytest.mark.requirement("R1")
@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({}, "$.task", "missing"),
        ({"task": 1}, "$.task", "got `int`"),
        ({"task": "no such"}, "$.task", "no such"),
        ({"task": "ad"}, "$.task", "Did you mean 'add'"),
        ({"task": "add", "args": [1]}, "$.args", "b"),
        ({"task": "add", "args": [1, "x"]}, "$.args", "'x' (str)"),
        ({"task": "add", "kwargs": {"a": 1, "c": 2}}, "$.kwargs", "c"),
        ({"task": "add", "args": {}}, "$.args", "array"),
        ({"task": "add", "nope": 1}, "$.nope", "not known"),
        ({"task": "add", "options": {"prio": 1}}, "$.options.prio", "not known"),
        ({"task": "add", "options": {"priority": 1024}}, "$.options.priority", "1024"),
        ({"task": "add", "options": {"delay": -1}}, "$.options.delay", "-1"),
        ({"task": "add", "options": {"lifo": 1}}, "$.options.lifo", "bool"),
        ({"task": "add", "options": {"lifo": True, "key": "k"}}, "$.options", "exclude"),
        ({"task": "add", "options": {"key_priority": -1}}, "$.options.key_priority", "-1"),
        (
            {"task": "add", "args": [1, 2], "options": {"key_priority": 1}},
            "$.options",
            "without a key",
        ),
        ({"task": "add", "options": {"at": "yesterday"}}, "$.options.at", "yesterday"),
        ({"task": "add", "options": {"at": "2026-01-01T00:00:00"}}, "$.options.at", "timezone"),
        ({"task": "add", "options": {"at": "2026-01-01T00:00"}}, "$.options.at", "timezone"),
        ({"task": "add", "options": {"at": "2300-01-01T00:00:00Z"}}, "$.options.at", "2200"),
        (
            {"task": "add", "options": {"headers": {"a": "x" * 20_000}}},
            "$.options.headers",
            "16384",
        ),
        ({"task": "add", "options": {"depends_on": [1]}}, "$.options.depends_on[0]", "value is 1"),
        (
            {"task": "add", "options": {"depends_on": [{"id": "x", "on_failure": "no"}]}},
            "$.options.depends_on[0].on_failure",
            "no",
        ),
        (
            {"task": "add", "args": [1, 2], "options": {"delay": 1, "at": "2030-01-01T00:00:00Z"}},
            "$.options",
            "exclude",
        ),
    ],
)
async def test_wrong_input_names_its_field_and_writes_nothing(
    reach: Reach, body: dict[str, Any], field: str, said: str
) -> None:
    queue = with_tasks(memory_queue("strict"))
    client = reach(Dashboard(queue, read_only=False))
    await queue.connect()
    before = await dump(queue)

    answer = await client.post("/api/jobs", json=body)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem["field"] == field
    assert said in problem["detail"]
    assert "othing was written" in problem["detail"]
    assert await dump(queue) == before


@pytest.mark.requirement("R1")
@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"\xff", "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"task": "add"}', "text/plain", 415),
        (b"task=add", "application/x-www-form-urlencoded", 415),
        (b"", "application/json", 422),
        (b'{"task": "' + b"x" * 3_000_000 + b'"}', "application/json", 413),
    ],
)
async def test_a_body_that_is_no_json_of_fair_size_is_refused(
    reach: Reach, content: bytes, kind: str, status: int
) -> None:
    queue = with_tasks(memory_queue("strict"))
    client = reach(Dashboard(queue, read_only=False))

    answer = await client.post("/api/jobs", content=content, headers={"content-type": kind})

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    assert (await queue.counts()).unfinished == 0


@pytest.mark.parametrize(
    ("text", "half"),
    [
        (r"\ud800", r"\ud800"),
        (r"\\\uDC00", r"\uDC00"),
        (r"\ud83d\ude00\udfff and more", r"\udfff"),
        (r"\ud800\u0041", r"\ud800"),
    ],
)
async def test_half_a_surrogate_pair_is_named(
    client: httpx2.AsyncClient, text: str, half: str
) -> None:
    content = f'{{"task": "fail", "args": ["{text}"]}}'
    headers = {"content-type": "application/json"}

    answer = await client.post("/api/jobs", content=content, headers=headers)

    assert answer.status_code == 422
    assert f"the body holds {half}, half of a surrogate pair" in answer.json()["detail"]


@pytest.mark.parametrize("fault", ["", r"\ud83d\ude00", r"\\ud800"])
async def test_a_body_that_is_cut_off_is_not_told_of_pairs(
    client: httpx2.AsyncClient, fault: str
) -> None:
    headers = {"content-type": "application/json"}

    answer = await client.post("/api/jobs", content=f'{{"task": "{fault}', headers=headers)

    assert answer.status_code == 422
    assert "the body is no JSON" in answer.json()["detail"]


@pytest.mark.parametrize("end", ["Z", "+01:00"])
async def test_an_instant_may_leave_out_its_seconds(
    client: httpx2.AsyncClient, web_queue: Queue, end: str
) -> None:
    when, later = f"2030-01-01T00:00{end}", f"2031-01-01T00:00{end}"
    body = {"task": "fail", "args": [when], "options": {"at": when, "expires": later}}

    answer = await client.post("/api/jobs", json=body)

    assert answer.status_code == 202, answer.text
    job = web_queue.job(answer.json()["id"])
    info = await job.info()
    assert info is not None
    assert (info.run_at, info.args) == (datetime.fromisoformat(when), [when])
    moved = await client.post(f"/api/jobs/{job.id}/reschedule", json={"at": later})
    assert moved.status_code == 200, moved.text
    info = await job.info()
    assert info is not None
    assert info.run_at == datetime.fromisoformat(later)


async def test_a_body_without_a_length_is_cut_off(client: httpx2.AsyncClient) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 65_536

    headers = {"content-type": "application/json"}
    answer = await client.post("/api/jobs", content=endless(), headers=headers)

    assert answer.status_code == 413


async def test_a_payload_over_the_limit_of_the_queue_is_refused(
    server_url: str, queue_name: str, reach: Reach
) -> None:
    queue = with_tasks(Queue(queue_name, server_url, namespace="test", max_payload=100))

    body = {"task": "fail", "args": ["x" * 200]}
    answer = await reach(Dashboard(queue, read_only=False)).post("/api/jobs", json=body)
    await queue.close()

    assert answer.status_code == 413
    assert "100" in answer.json()["detail"]


@pytest.mark.requirement("R1")
async def test_a_task_that_only_a_worker_knows_can_be_added(
    server_url: str, queue_name: str, reach: Reach
) -> None:
    producer = Queue(queue_name, server_url, namespace="test")
    with_code = with_tasks(Queue(queue_name, server_url, namespace="test"))
    client = reach(Dashboard(producer, read_only=False))
    body = {"task": "add", "args": [1, 2]}
    await with_code.enqueue("fail")

    unknown = await client.post("/api/jobs", json=body)
    async with Worker(with_code):

        async def known() -> bool:
            return any("add" in worker.tasks for worker in await producer.workers())

        await wait_until(known, description="the worker has told its tasks")
        answer = await client.post("/api/jobs", json=body)
        assert answer.status_code == 202, answer.text
        assert await producer.job(answer.json()["id"]).result(10) == 3
    gone = await client.post("/api/jobs", json=body)
    await producer.close()
    await with_code.close()

    assert unknown.status_code == gone.status_code == 422
    assert "add" in unknown.json()["detail"]


async def in_every_state(queue: Queue) -> dict[str, str]:
    """Return the id of a job in each state but running."""
    done = await queue.enqueue("add", 1, 2)
    dead = await queue.enqueue("fail", "boom")
    await Worker(queue).run(burst=True)
    waits = await queue.enqueue("add", 1, 2, delay=60)
    blocked = await queue.enqueue("add", 1, 2, depends_on=[waits])
    dropped = await queue.enqueue("add", 1, 2)
    await dropped.cancel("not needed")
    ready = await queue.enqueue("add", 1, 2)
    return {
        "completed": done.id,
        "dead": dead.id,
        "scheduled": waits.id,
        "blocked": blocked.id,
        "cancelled": dropped.id,
        "queued": ready.id,
    }


@pytest.mark.requirement("R2")
async def test_each_state_lists_exactly_its_jobs(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    expected = await in_every_state(web_queue)

    for state in JobState:
        page = (await client.get("/api/jobs", params={"state": state})).json()
        assert [job["id"] for job in page["jobs"]] == [
            id for known, id in expected.items() if known == state
        ]
        assert page["next_offset"] is None


@pytest.mark.requirement("R2")
async def test_pages_follow_each_other(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    jobs = await web_queue.enqueue_many(web_queue.bind("add", n, n) for n in range(7))

    found: list[str] = []
    offset: int | None = 0
    while offset is not None:
        answer = await client.get("/api/jobs", params={"limit": 3, "offset": offset})
        found += [job["id"] for job in answer.json()["jobs"]]
        offset = answer.json()["next_offset"]

    assert found == [job.id for job in jobs]


async def test_a_list_can_be_of_one_task(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    await web_queue.enqueue_many(web_queue.bind("add", n, n) for n in range(3))
    wanted = await web_queue.enqueue("fail", "x")

    page = (await client.get("/api/jobs", params={"task": "fail"})).json()

    assert [job["id"] for job in page["jobs"]] == [wanted.id]
    assert page["searched"] == 4


@pytest.mark.requirement("R3")
async def test_the_record_of_a_job_is_whole(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    secret = {"Authorization": "S3CR3T", "X-Api-Key": "S3CR3T", "trace": "1"}
    job = await web_queue.enqueue("fail", "boom", headers=secret, key="acme")
    await Worker(web_queue).run(burst=True)

    answer = await client.get(f"/api/jobs/{job.id}")

    info = await job.info()
    assert info is not None
    record = answer.json()
    assert answer.status_code == 200
    assert (record["task"], record["args"], record["state"]) == ("fail", ["boom"], "dead")
    assert (record["errors"][0]["type"], record["errors"][0]["message"]) == ("ValueError", "boom")
    assert "Traceback" in record["errors"][0]["traceback"]
    assert datetime.fromisoformat(record["enqueued_at"]) == info.enqueued_at
    assert set(record) == set(info.__slots__) | {"error", "result"}
    assert record["headers"]["trace"] == "1"
    assert "S3CR3T" not in answer.text


@pytest.mark.requirement("R3")
async def test_a_job_without_a_record_is_404(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/jobs/none")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == PROBLEM
    assert "'none'" in answer.json()["detail"]


async def test_what_has_no_form_in_json_is_shown_all_the_same(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    odd = [b"\xff", {1: "one"}, float("nan"), datetime(2026, 1, 1, tzinfo=UTC), timedelta(1), 2**63]
    job = await web_queue.enqueue("anything", *odd)

    answer = await client.get(f"/api/jobs/{job.id}")

    assert answer.status_code == 200
    assert answer.json()["args"][3] == "2026-01-01T00:00:00Z"


async def test_each_change_of_a_job_does_what_it_says(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    ids = await in_every_state(web_queue)

    async def change(state: str, action: str, **body: Any) -> None:
        path = f"/api/jobs/{ids[state]}/{action}"
        answer = await client.post(path, json=body) if body else await client.post(path)
        assert answer.status_code == 200, answer.text
        assert answer.json()["action"] == action

    await change("scheduled", "reschedule", delay=600)
    await change("scheduled", "reprioritise", priority=9)
    await change("scheduled", "promote")
    await change("dead", "retry")
    await change("queued", "cancel", reason="no more")
    await change("completed", "remove")

    states = await web_queue.states(list(ids.values()))
    assert states[ids["scheduled"]] is JobState.QUEUED
    assert states[ids["dead"]] is JobState.QUEUED
    assert states[ids["queued"]] is JobState.CANCELLED
    assert states[ids["completed"]] is None
    info = await web_queue.job(ids["scheduled"]).info()
    assert info is not None
    assert info.priority == 9


async def test_a_change_that_is_not_possible_is_a_conflict(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    job = await web_queue.enqueue("add", 1, 2)

    for action in ("retry", "promote"):
        answer = await client.post(f"/api/jobs/{job.id}/{action}")
        assert answer.status_code == 409
        assert "Nothing was changed" in answer.json()["detail"]
    assert (await client.post("/api/jobs/none/retry")).status_code == 404


@pytest.mark.parametrize("action", ["retry", "cancel", "promote", "remove"])
async def test_a_change_of_a_job_that_is_not_there_is_404(
    client: httpx2.AsyncClient, action: str
) -> None:
    answer = await client.post(f"/api/jobs/none/{action}")

    assert answer.status_code == 404
    assert "there is no record of job none" in answer.json()["detail"]


async def test_cancelling_a_job_that_has_ended_changes_nothing(
    client: httpx2.AsyncClient, web_queue: Queue
) -> None:
    job = await web_queue.enqueue("add", 1, 2)
    await Worker(web_queue).run(burst=True)

    answer = await client.post(f"/api/jobs/{job.id}/cancel")

    assert (answer.status_code, answer.json()["changed"]) == (200, False)
    assert await job.state() is JobState.COMPLETED


async def test_the_log_of_a_job_is_read(client: httpx2.AsyncClient, web_queue: Queue) -> None:
    from aiojobs_redis import current_job

    @web_queue.task
    async def talk() -> None:
        for n in range(3):
            await current_job().log(f"line {n}")

    job = await talk.enqueue()
    await Worker(web_queue).run(burst=True)

    answer = await client.get(f"/api/jobs/{job.id}/log", params={"last": 2})

    assert [line["text"] for line in answer.json()["lines"]] == ["line 1", "line 2"]
