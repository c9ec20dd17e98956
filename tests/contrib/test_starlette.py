"""A queue in a FastAPI application: its life, 202, errors, health and metrics, on a real server."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from aiojobs_redis import (
    ArgumentsInvalid,
    JobNotFound,
    KeyFull,
    LifespanFailed,
    NotReplicated,
    PayloadTooLarge,
    Queue,
    QueueFull,
    QueueUnavailable,
    RateExceeded,
    Worker,
)
from aiojobs_redis._redis.connection import Server
from aiojobs_redis.contrib.starlette import accepted, error_handlers, health_endpoint, lifespan
from tests.docs.pages import DOCS
from tests.support.exposed import registry_restored
from tests.support.servers import ServerProcess


def eventually(client: TestClient, path: str, state: str) -> dict[str, Any]:
    """Ask until a job is in a state."""
    deadline = time.monotonic() + 20
    while True:
        answer: dict[str, Any] = client.get(path).json()
        if answer["state"] == state:
            return answer
        assert time.monotonic() < deadline, f"waited in vain for {state}: {answer}"


@pytest.fixture
def example(valkey_server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The application of docs/examples/fastapi, in a namespace of its own."""
    namespace = f"example-{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("AIOJOBS_REDIS_URL", valkey_server.url)
    monkeypatch.setenv("EXAMPLE_NAMESPACE", namespace)
    path = DOCS / "examples" / "fastapi" / "app.py"
    spec = importlib.util.spec_from_file_location("fastapi_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Annotations are looked up in the module by its name.
    monkeypatch.setitem(sys.modules, "fastapi_example", module)
    with registry_restored():
        spec.loader.exec_module(module)
        yield module
    link = Server.from_url(valkey_server.url).sync_link(5.0)
    assert link is not None
    if keys := link.call("KEYS", f"{namespace}:*"):
        link.call("UNLINK", *keys)
    link.close()


@pytest.mark.requirement("R18")
def test_the_example_accepts_runs_and_tells(example: ModuleType) -> None:
    with TestClient(example.app) as client:
        answer = client.post("/reports", json={"customer": "Ada", "months": 3})
        assert answer.status_code == 202
        job = answer.json()
        assert job["created"]
        assert answer.headers["Location"] == job["location"]
        done = eventually(client, answer.headers["Location"], "completed")
        assert done["result"] == "3 months of Ada"
        assert done["progress"]["done"] == 3

        assert client.post("/reports", json={"customer": "Ada", "months": 0}).status_code == 422
        assert client.get("/jobs?id=nobody").status_code == 404
        assert client.get("/health").json() == {"ok": True, "problems": {}}
        scrape = client.get("/metrics")
        assert scrape.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert 'jobs_enqueued_total{queue="reports",task="report"} 1.0' in scrape.text
        assert 'outcome="completed",queue="reports",task="report"} 1.0' in scrape.text


def test_the_example_has_a_dashboard_for_this_machine(example: ModuleType) -> None:
    here = TestClient(example.app, base_url="http://localhost", client=("127.0.0.1", 5000))
    elsewhere = TestClient(example.app, base_url="http://localhost", client=("203.0.113.9", 5000))
    with here:
        job = here.post("/reports", json={"customer": "Eve", "months": 1}).json()["id"]
        assert here.get(f"/dashboard/api/jobs/{job}").json()["task"] == "report"
        page = here.get("/dashboard/", headers={"accept": "text/html"})
        assert (page.status_code, "reports" in page.text) == (200, True)
        assert elsewhere.get("/dashboard/").status_code == 403


def test_locations_and_the_dashboard_are_below_the_root_path(example: ModuleType) -> None:
    client = TestClient(
        *(example.app, "http://localhost"), root_path="/service", client=("127.0.0.1", 5000)
    )
    with client:
        answer = client.post("/service/reports", json={"customer": "Kay", "months": 1})
        assert answer.headers["Location"] == (
            f"http://localhost/service/jobs?id={answer.json()['id']}"
        )
        assert client.get(answer.headers["Location"]).status_code == 200
        page = client.get("/service/dashboard/", headers={"accept": "text/html"})
        links = re.findall(r'(?:href|src)="(/[^"]*)"', page.text)
        assert page.status_code == 200
        assert links
        assert [link for link in links if not link.startswith("/service/dashboard/")] == []
        assert {client.get(link).status_code for link in links} == {200}


def test_a_test_puts_another_queue_in_the_place_of_the_applications(example: ModuleType) -> None:
    other = Queue("other", "memory://fastapi-example")
    example.app.dependency_overrides[example.reports] = lambda: other
    try:
        with TestClient(example.app) as client:
            job = client.post("/reports", json={"customer": "Ada", "months": 3}).json()
            assert client.get(job["location"]).json()["state"] == "queued"
    finally:
        example.app.dependency_overrides.clear()


def accepting(by_path: bool) -> FastAPI:
    """An application that adds a job of any id and tells where to look: a path, or a parameter."""
    queue = Queue("any-id", f"memory://{uuid.uuid4().hex}")
    app = FastAPI(lifespan=queue.lifespan)

    @app.post("/", status_code=202)
    async def order(request: Request) -> Response:
        job = await queue.enqueue("work", id=(await request.body()).decode())
        if by_path:
            return accepted(job, request.url_for("of_path", id=job.id))
        return accepted(job, request.url_for("of_query").include_query_params(id=job.id))

    @app.get("/path/{id}")
    async def of_path(id: str) -> list[Any]:
        return [id, await queue.job(id).state()]

    @app.get("/query")
    async def of_query(id: str) -> list[Any]:
        return [id, await queue.job(id).state()]

    return app


PLAIN_IDS = ["a-1", "日本", "Müller", "a b", "a%b", "50%", '<"\\>', "a+b&c=d", "😀\x7f"]

ODD_IDS = ["a\r\nX-Evil: 1", "a?b", "a#b", "a/b", "..", ".", "a%2Fb", "%41", " "]


@pytest.mark.parametrize(
    ("id", "by_path"),
    [(id, by_path) for id in PLAIN_IDS for by_path in (True, False)]
    # What a path cannot hold, or takes for a part of its own.
    + [(id, False) for id in ODD_IDS],
)
def test_the_location_of_a_job_leads_to_it_whatever_its_id_is(id: str, by_path: bool) -> None:
    with TestClient(accepting(by_path), raise_server_exceptions=False) as client:
        answer = client.post("/", content=id.encode())
        assert answer.status_code == 202
        assert answer.json()["id"] == id
        assert answer.json()["location"] == answer.headers["Location"]
        assert re.fullmatch(r"[!-~]+", answer.headers["Location"])
        assert "x-evil" not in answer.headers
        assert client.get(answer.headers["Location"]).json() == [id, "queued"]


def test_a_url_that_is_one_already_is_told_as_it_is() -> None:
    queue = Queue("given", f"memory://{uuid.uuid4().hex}")
    url = "https://[::1]:8000/a%2Fb/~c;d?e=%E6%97%A5&f=1+2#g"
    odd = "/half\ud800"

    assert accepted(queue.job("a"), url).headers["Location"] == url
    assert accepted(queue.job("a"), odd).headers["Location"] == "/half%ED%A0%80"
    assert accepted(queue.job("a"), "/a\r\nX: 1").headers["Location"] == "/a%0D%0AX:%201"


def test_the_lifespan_of_a_queue_connects_and_closes_it(real_queue: Queue) -> None:
    opened: list[str] = []

    async def enqueue(_: Any) -> Any:
        from starlette.responses import PlainTextResponse

        return PlainTextResponse((await real_queue.enqueue("work")).id)

    for app in (
        Starlette(routes=[Route("/", enqueue)], lifespan=real_queue.lifespan),
        Starlette(routes=[Route("/", enqueue)], lifespan=lifespan(real_queue)),
    ):
        with TestClient(app) as client:
            opened.append(client.get("/").text)

    assert len(set(opened)) == 2


def test_a_server_that_is_away_keeps_the_application_from_starting() -> None:
    queue = Queue("away", "unix:///no/such/socket")
    with (
        pytest.raises(QueueUnavailable),
        TestClient(Starlette(lifespan=queue.lifespan)),
    ):
        pass


@pytest.mark.parametrize(
    ("error", "status", "after"),
    [
        (RateExceeded("too fast", None, 2.4), 429, "3"),
        (KeyFull("tenant-7 has 1000 jobs", "tenant-7", 1000), 429, "1"),
        (NotReplicated("0 of 1 replicas of redis://secret"), 503, "1"),
        (QueueFull("full of redis://secret"), 503, "1"),
        (QueueUnavailable("redis://secret is away"), 503, "1"),
        (PayloadTooLarge("2 MiB"), 413, None),
        (JobNotFound("no job x"), 404, None),
        (ArgumentsInvalid("name: str"), 422, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_are_answers_with_what_to_do(
    error: Exception, status: int, after: str | None
) -> None:
    app = FastAPI(exception_handlers=dict(error_handlers()))

    @app.get("/")
    async def fails() -> None:
        raise error

    answer = TestClient(app, raise_server_exceptions=False).get("/")

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers.get("Retry-After") == after
    assert answer.json()["title"] == type(error).__name__
    assert "secret" not in answer.text


@pytest.mark.requirement("B28")
def test_health_is_200_or_503_by_thresholds_and_names_no_address(
    own_server: ServerProcess,
) -> None:
    queue = Queue("health", url=own_server.url, namespace="test")
    app = Starlette(
        routes=[Route("/health", health_endpoint(queue, max_depth=1))], lifespan=queue.lifespan
    )

    async def add(_: Any) -> Any:
        from starlette.responses import Response

        await queue.enqueue("work")
        return Response()

    app.add_route("/add", add)
    with TestClient(app) as client:
        assert client.get("/health").status_code == 200
        client.get("/add")
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["ok"]) == (503, False)
        assert "no worker was seen" in answer.text
        client.get("/add")
        assert "2 jobs are queued, over the limit of 1" in client.get("/health").text
        own_server.stop()
        answer = client.get("/health")
        assert answer.status_code == 503
        assert answer.json()["problems"] == {"health": ["Redis does not answer"]}


def test_a_worker_within_the_application_stops_with_it(real_queue: Queue) -> None:
    made: list[Worker] = []

    def make() -> Worker:
        made.append(Worker(real_queue))
        return made[-1]

    app = Starlette(lifespan=lifespan(real_queue, worker=make))
    for _ in range(2):
        with TestClient(app):
            pass

    assert [worker.is_running for worker in made] == [False, False]


def test_a_worker_that_cannot_start_keeps_the_application_from_starting(real_queue: Queue) -> None:
    @contextlib.asynccontextmanager
    async def refused(worker: Worker) -> AsyncIterator[None]:
        if worker.queues:
            raise ConnectionError("the database refuses")
        yield

    made = lifespan(real_queue, worker=lambda: Worker(real_queue, lifespan=refused))
    with (
        pytest.raises(LifespanFailed, match="the database refuses"),
        TestClient(Starlette(lifespan=made)),
    ):
        pytest.fail("it serves without a worker")
