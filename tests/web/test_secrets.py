"""No secret is in an answer, a log or a record: of every route, with Redis up and with it down."""

from __future__ import annotations

import logging

import httpx2
import pytest
import redis.asyncio

from aiojobs_redis import Queue, Worker
from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.pages.notices import SENTENCES
from tests.support.servers import ServerProcess
from tests.web.conftest import Reach, with_tasks
from tests.web.test_who_may import every_route

PASSWORD, HEADER, TRY = "S3CR3T-password", "S3CR3T-header", "S3CR3T-that-was-tried"
TOKEN = "S3CR3T-token-of-the-dashboard"
HEADERS = dict.fromkeys(
    ("Authorization", "Proxy-Authorization", "cookie", "X-API-Key", "my_token", "PASSWORD"), HEADER
)

pytestmark = pytest.mark.requirement("S10")


def texts(answer: httpx2.Response) -> str:
    """Return all that a caller gets to see; the cookie of a session is theirs alone."""
    return f"{answer.text}{[each for each in answer.headers.items() if each[0] != 'set-cookie']}"


async def test_no_secret_is_in_what_is_told(
    own_server: ServerProcess, reach: Reach, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    raw = redis.asyncio.Redis.from_url(own_server.url)
    await raw.config_set("requirepass", PASSWORD)
    await raw.aclose()
    queue = with_tasks(Queue("kept", f"unix://:{PASSWORD}@{own_server.socket}"))
    for task, arguments in (("add", [1, 2]), ("fail", ["x"])):
        await queue.tasks[task].options(id=task, headers=HEADERS).enqueue(*arguments)
    await Worker(queue).run(burst=True)
    await queue.schedule("x", queue.bind("add", 1, 2), every=3600)
    dashboard = Dashboard(queue, token=TOKEN)
    client = reach(dashboard, token=TOKEN)
    told: list[str] = []

    async def ask_all() -> list[int]:
        found: list[int] = []
        for method, path in every_route(dashboard):
            # Actions that destroy what is looked at are asked for of something else.
            place = path.replace("/queues/x", "/queues/kept").replace("/jobs/x", "/jobs/fail")
            for accept in ("text/html", "application/json"):
                headers = {"accept": accept}
                if method == "GET":
                    answer = await client.get(place, params={"id": "fail"}, headers=headers)
                    told.append(texts(answer))
                answer = await client.request(method, place, headers=headers)
                told.append(texts(answer))
                found.append(answer.status_code)
        for action in SENTENCES:
            told.append(
                texts(await client.post(f"/do/{action}", data={"queue": "kept", "id": "add"}))
            )
        return found

    before = await ask_all()
    assert before.count(200) > 40
    assert "[hidden]" in (await client.get("/api/jobs/add")).text
    assert "[hidden]" in (await client.get("/queues/kept/job", params={"id": "add"})).text
    stranger = reach(dashboard, address="203.0.113.1", token=TRY)
    told.append(texts(await stranger.get("/api/queues")))
    told.append(texts(await stranger.post("/login", data={"token": TRY, "next": "/"})))
    told.append(texts(await reach(dashboard).post("/login", data={"token": TOKEN})))
    told += [str(record) for record in await queue.actions(1000)]
    told += [str(await queue.server()), repr(queue), repr(dashboard)]
    own_server.stop()
    # Each of these waits until Redis is given up.
    for path in ("/health/ready", "/api/queues", "/redis", "/queues/kept/job?id=add"):
        answer = await client.get(path, headers={"accept": "text/html"})
        assert answer.status_code == 503, path
        told.append(texts(answer))

    logged = "".join(caplog.text) + "".join(str(vars(record)) for record in caplog.records)
    for secret in (PASSWORD, HEADER, TRY, TOKEN):
        assert secret not in logged, secret
        assert [text[:300] for text in told if secret in text] == [], secret
