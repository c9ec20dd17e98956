"""The document tells of every route, and the API does what the document says of it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from aiojobs_redis import Queue
from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.api import OPERATIONS
from aiojobs_redis.web.api.operation import Operation
from tests.support.served import serve
from tests.support.servers import ServerProcess
from tests.web.conftest import TOKEN, Reach, memory_queue, with_tasks

CHECKS: list[Any] = [
    *(not_a_server_error, content_type_conformance, negative_data_rejection),
    *(response_schema_conformance, status_code_conformance),
]
KNOWN: Any = {
    "queue": "fuzz-1",
    "task": "add",
    "args": [1, 2],
    "options": {"id": "known", "delay": 60},
}
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture(scope="module")
def url(valkey_server: ServerProcess) -> Iterator[str]:
    """URL of a dashboard with two queues and workers that live."""

    async def make() -> tuple[Dashboard, list[Queue]]:
        queues = [with_tasks(Queue(name, valkey_server.url)) for name in ("fuzz-1", "fuzz-2")]
        await queues[0].schedule("known", queues[0].bind("add", 1, 2), every=3600)
        return Dashboard(queues, token=TOKEN), queues

    with serve(make) as url:
        yield url


@pytest.fixture(scope="module")
def schema(url: str) -> Any:
    """The document, as the fuzzer reads it."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    document = httpx2.get(f"{url}/api/openapi.json", headers=headers).json()
    found = schemathesis.openapi.from_dict(document)
    found.config.update(base_url=url)
    found.config.generation.update(with_security_parameters=False)
    return found


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_whatever_is_sent_is_answered_as_the_document_says(
    url: str, schema: Any, operation: Operation
) -> None:
    described = schema[operation.path][operation.method]
    known = described.as_strategy(GenerationMode.POSITIVE).map(about_what_is_there)
    modes = [described.as_strategy(mode) for mode in MODES if possible(operation, mode)]
    cases = st.one_of(known, *modes)

    @settings(
        max_examples=8,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
        database=None,
        derandomize=True,
    )
    @given(case=cases)
    def send(case: Any) -> None:
        headers = {"authorization": f"Bearer {TOKEN}"}
        if operation.path.startswith("/api/jobs/"):
            assert httpx2.post(f"{url}/api/jobs", json=KNOWN, headers=headers).status_code == 202
        answer = case.call(headers=headers, timeout=10)
        # Of a probe 503 is an answer like any other.
        checks = [check for check in CHECKS if not operation.also or check != not_a_server_error]
        case.validate_response(answer, checks=checks)
        if answer.status_code == 422:
            assert answer.json().get("field"), answer.text
        if answer.status_code == 202:
            assert httpx2.get(url + answer.headers["location"][0], headers=headers).is_success
        stranger = case.call(timeout=10)
        assert operation.open or stranger.status_code == 401
        case.validate_response(stranger, checks=checks)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        send()


def about_what_is_there(case: Any) -> Any:
    """Let a case be about a job, a schedule and a task that exist."""
    if "id" in case.path_parameters:
        case.path_parameters["id"] = "known"
        if isinstance(case.query, dict):
            case.query.pop("id", None)
    if isinstance(case.query, dict) and "queue" in case.query:
        case.query["queue"] = "fuzz-1"
    if isinstance(case.body, dict) and case.operation.path == "/api/jobs":
        case.body |= {"queue": "fuzz-1", "task": "fail", "args": ["x"], "kwargs": {}}
    if case.operation.path.endswith("/reschedule"):
        case.body = {"delay": 5}
    return case


def possible(operation: Operation, mode: GenerationMode) -> bool:
    """Whether there is anything that can be wrong in what an operation takes."""
    if mode is GenerationMode.POSITIVE:
        return True
    return bool(operation.body or operation.query.__struct_fields__)


async def test_the_document_is_valid(reach: Reach) -> None:
    for queues in ([memory_queue("one")], [memory_queue("one"), memory_queue("two")]):
        answer = await reach(Dashboard(queues)).get("/api/openapi.json")

        # Against the schema of OpenAPI 3.1 itself.
        schemathesis.openapi.from_dict(answer.json()).validate()


async def test_every_route_of_the_api_is_described(reach: Reach) -> None:
    dashboard = Dashboard([memory_queue("one"), memory_queue("two")])
    document = (await reach(dashboard).get("/api/openapi.json")).json()

    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    routes = {
        (method, re.sub(r":\w+}", "}", route.path))
        for route in dashboard.application.routes
        if isinstance(route, Route) and route.path.startswith(("/api/", "/health/"))
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert all(isinstance(route, Route | Mount) for route in dashboard.application.routes)
    assert described == routes
    for methods in document["paths"].values():
        for text in methods.values():
            assert text["summary"].endswith((".", "503."))
            kinds = {k for a in text["responses"].values() for k in a["content"]}
            assert kinds == {"application/json", "application/problem+json"}
    names = [text["operationId"] for paths in document["paths"].values() for text in paths.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("root", ["", "/ops/jobs", "/an a/ä"])
async def test_the_document_and_what_refers_to_it_name_where_the_dashboard_is(
    reach: Reach, root: str
) -> None:
    dashboard = Dashboard(memory_queue("one"), read_only=False)
    client = reach(Starlette(routes=[Mount(root, dashboard)]) if root else dashboard)
    here = quote(root)

    document = (await client.get(f"{root}/api/openapi.json")).json()
    (server,) = document["servers"]
    followed = await client.get(server["url"].rstrip("/") + "/api/queues")
    told = [
        await client.get(f"{root}/api/nothing"),
        await client.get(f"{root}/api/jobs?limit=many"),
        await client.post(f"{root}/api/jobs", json={}),
        await client.post(
            f"{root}/api/jobs", content="{", headers={"content-type": "application/json"}
        ),
    ]

    assert server["url"] == (here or "/")
    assert followed.status_code == 200
    assert [answer.status_code for answer in told] == [404, 422, 422, 422]
    for answer in told:
        assert f" {here}/api/openapi.json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/api/jobs", "GET, HEAD, POST"),
        ("/api/queues/one/pause", "POST"),
        ("/api/queues", "GET, HEAD"),
        ("/login", "GET, HEAD, POST"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
async def test_a_wrong_method_is_told_with_all_that_the_path_takes(
    reach: Reach, path: str, allow: str, method: str
) -> None:
    dashboard = Dashboard(memory_queue("one"))
    for app, root in ((dashboard, ""), (Starlette(routes=[Mount("/ops", dashboard)]), "/ops")):
        answer = await reach(app).request(method, f"{root}{path}")

        assert answer.status_code == 405
        assert answer.headers["allow"] == allow
        assert answer.json()["detail"].endswith(f" does not take {method}, but {allow}")
