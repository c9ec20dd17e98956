"""Whatever a queue takes for an id can be reached over HTTP, through a real server and client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from aiojobs_redis import Queue
from aiojobs_redis.web import Dashboard
from tests.support.served import serve
from tests.support.servers import ServerProcess
from tests.web.conftest import with_tasks

# What clients normalise, proxies decode, routes take for their own, and the rest of Unicode.
IDS = [
    *(".", "..", "...", "/", "//", "a/b", "a//b", "../queues", "./x", "/x", "x/", "x/..", "..\\x"),
    *("x/log", "x/retry", "log", "-", "-/retry", "%", "%2e", "%2F", "%252e", "a%00b", "\x00"),
    *(
        "x\n",
        "\nx",
        "x/log\n",
        "?",
        "?id=x",
        "#",
        "&",
        "a&b=c",
        "=",
        "+",
        " ",
        " x ",
        "\n",
        "\r\nx: y",
        "\t",
        ";",
        "..;/",
    ),
    *("ä", "日本", "\U0001f600" * 64, "e\u0301", "\u202egnp", "\ufeff", "x" * 256, '"', "<b>", "'"),
]


@pytest.fixture(scope="module")
def url(valkey_server: ServerProcess) -> Iterator[str]:
    async def make() -> tuple[Dashboard, list[Queue]]:
        queue = with_tasks(Queue("odd-ids", valkey_server.url))
        return Dashboard(queue, read_only=False), []

    with serve(make) as url:
        yield url


@pytest.mark.parametrize("id", IDS, ids=ascii)
def test_a_job_of_any_id_is_where_its_location_says(url: str, id: str) -> None:
    options = {"id": id, "delay": 60}
    with httpx2.Client(base_url=url) as client:
        added = client.post("/api/jobs", json={"task": "add", "args": [1, 2], "options": options})
        assert added.status_code == 202, added.text
        place = added.headers["location"]
        assert added.json()["location"] == place

        found = client.get(place)
        shown = client.get("/queues/odd-ids/job", params={"id": id})

        assert (found.status_code, found.json()["id"]) == (200, id)
        assert shown.status_code == 200


@pytest.mark.parametrize("id", IDS, ids=ascii)
def test_an_id_may_be_given_as_a_parameter(url: str, id: str) -> None:
    options: dict[str, Any] = {"id": id, "delay": 60}
    params = {"id": id}
    with httpx2.Client(base_url=url) as client:
        client.post("/api/jobs", json={"task": "add", "args": [1, 2], "options": options})

        log = client.get("/api/jobs/-/log", params=params)
        later = client.post("/api/jobs/-/reschedule", params=params, json={"delay": 90})
        gone = client.post("/api/jobs/-/remove", params=params)
        again = client.get("/api/jobs/-", params=params)

        assert (log.status_code, later.status_code, later.json()["id"]) == (200, 200, id)
        assert (gone.status_code, gone.json()["id"], again.status_code) == (200, id, 404)


@pytest.mark.parametrize("id", [".", "..", "a/b", "x/pause", "日本"])
async def test_a_schedule_of_any_id_is_reached(url: str, id: str, valkey_server: Any) -> None:
    async with Queue("odd-ids", valkey_server.url) as queue:
        await queue.schedule(id, with_tasks(queue).bind("add", 1, 2), every=3600)
        async with httpx2.AsyncClient(base_url=url) as client:
            paused = await client.post("/api/schedules/-/pause", params={"id": id})
            found = {one.id: one.enabled for one in await queue.schedules()}
            gone = await client.post("/api/schedules/-/remove", params={"id": id})

        assert (paused.status_code, gone.status_code) == (200, 200)
        assert found[id] is False
        assert id not in {one.id for one in await queue.schedules()}


def test_two_ids_are_refused(url: str) -> None:
    answer = httpx2.get(f"{url}/api/jobs/one", params={"id": "two"})

    assert answer.status_code == 422
    assert answer.json()["field"] == "id"
    assert "'one' in the path and 'two'" in answer.json()["detail"]
