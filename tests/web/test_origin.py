"""Pages of others can neither change anything nor reach the dashboard under a name of theirs."""

from __future__ import annotations

import pytest

from aiojobs_redis import ConfigInvalid
from aiojobs_redis.web import Dashboard
from tests.web.conftest import TOKEN, Reach, memory_queue
from tests.web.test_who_may import every_route

pytestmark = pytest.mark.requirement("S14")

ATTEMPTS = [
    # A form of another page, a fetch without CORS, an image or a script of it.
    {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    {"sec-fetch-site": "cross-site"},
    # A page of another port or subdomain of the same host.
    {"sec-fetch-site": "same-site", "origin": "http://localhost:9999"},
    # By hand into the address bar cannot be a POST.
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": ""},
    # A browser without Sec-Fetch-Site.
    {"origin": "https://evil.example"},
    {"origin": "http://localhost:9999"},
    {"origin": "http://localhost.evil.example"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "http://[bad"},
]


@pytest.mark.parametrize("headers", ATTEMPTS)
@pytest.mark.parametrize("token", [None, TOKEN])
async def test_no_page_of_others_changes_anything(
    reach: Reach, headers: dict[str, str], token: str | None
) -> None:
    queue = memory_queue("origin")
    dashboard = Dashboard(queue, token=token, read_only=False)
    client = reach(dashboard, token=token)

    for method, path in every_route(dashboard):
        if method != "GET":
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code == 403, (method, path)
            assert "another origin" in answer.json()["detail"]

    assert await queue.actions() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin", "origin": "http://localhost"},
        {"sec-fetch-site": "same-origin"},
        {"origin": "http://localhost"},
        {},
    ],
)
async def test_pages_of_our_own_and_programs_do(reach: Reach, headers: dict[str, str]) -> None:
    client = reach(Dashboard(memory_queue("origin"), read_only=False))

    answer = await client.post("/api/queues/origin/resume", headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("mode", ["no-cors", "cors", "websocket", None])
async def test_pages_of_others_embed_nothing_of_ours(
    reach: Reach, site: str, mode: str | None
) -> None:
    dashboard = Dashboard(memory_queue("origin"))
    headers = {"sec-fetch-site": site} | ({} if mode is None else {"sec-fetch-mode": mode})

    for method, path in every_route(dashboard):
        answer = await reach(dashboard).request(method, path, headers=headers)
        assert answer.status_code == 403, (method, path)


async def test_a_link_of_another_page_can_be_followed(reach: Reach) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}

    answer = await reach(Dashboard(memory_queue("origin"))).get("/api/queues", headers=headers)

    assert answer.status_code == 200


async def test_nothing_is_changed_by_get(reach: Reach) -> None:
    queue = memory_queue("origin")
    dashboard = Dashboard(queue, read_only=False)
    client = reach(dashboard)

    for method, path in every_route(dashboard):
        if method != "GET":
            assert (await client.get(path)).status_code in {200, 404, 405, 422}, path

    assert await queue.actions() == []


async def test_no_answer_opens_itself_to_other_origins(reach: Reach) -> None:
    client = reach(Dashboard(memory_queue("origin")))
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}

    for method in ("OPTIONS", "GET"):
        answer = await client.request(method, "/api/queues", headers=asked)
        allowed = [name for name in answer.headers if name.startswith("access-control-")]
        assert allowed == []


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "[::2]", "", "10.0.0.1"]
)
async def test_a_wrong_name_is_refused(reach: Reach, host: str) -> None:
    for dashboard in (
        Dashboard(memory_queue("origin")),
        Dashboard(memory_queue("origin"), token=TOKEN, hosts=["jobs.example.org"]),
    ):
        client = reach(dashboard, token=TOKEN)
        answer = await client.get("/api/queues", headers={"host": host})
        assert answer.status_code == 403, host
        assert "hosts=" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["jobs.example.org", "JOBS.example.org:8443", "jobs.example.org."])
async def test_the_names_that_are_given_are_right(reach: Reach, host: str) -> None:
    queue = memory_queue("origin")
    client = reach(Dashboard(queue, token=TOKEN, hosts=["jobs.Example.org"]), token=TOKEN)

    assert (await client.get("/api/queues", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("given", ["::1", "[::1]", "0:0:0:0:0:0:0:1", "[::1]."])
async def test_an_address_of_ipv6_is_given_with_brackets_or_without(
    reach: Reach, given: str
) -> None:
    client = reach(Dashboard(memory_queue("origin"), token=TOKEN, hosts=[given]), token=TOKEN)

    assert (await client.get("/api/queues", headers={"host": "[::1]:8765"})).status_code == 200
    assert (await client.get("/api/queues", headers={"host": "[::2]"})).status_code == 403


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("jobs.example.org:8080", "write 'jobs.example.org'"),
        ("[::1]:8080", "write '[::1]'"),
        ("https://jobs.example.org/", "write 'jobs.example.org'"),
        ("http://jobs.example.org:8080/jobs", "write 'jobs.example.org'"),
        ("jobs.example.org/jobs", "write 'jobs.example.org'"),
        ("*.example.org", "no wildcard"),
        ("*", "no wildcard"),
        ("", "such as 'jobs.example.org'"),
        (":8080", "such as 'jobs.example.org'"),
        (8080, "such as 'jobs.example.org'"),
    ],
)
def test_a_name_that_no_request_has_is_refused_with_what_to_write(given: str, said: str) -> None:
    with pytest.raises(ConfigInvalid, match="hosts") as refused:
        Dashboard(memory_queue("origin"), token=TOKEN, hosts=["fine.example.org", given])

    assert said in str(refused.value)
    assert repr(given) in str(refused.value)


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1", "[::1]:8765"])
async def test_this_machine_has_several_names(reach: Reach, host: str) -> None:
    client = reach(Dashboard(memory_queue("origin")))

    assert (await client.get("/api/queues", headers={"host": host})).status_code == 200


@pytest.mark.requirement("S15")
async def test_every_answer_forbids_foreign_code_and_frames(reach: Reach) -> None:
    dashboard = Dashboard(memory_queue("origin"), token=TOKEN)
    client = reach(dashboard, token=TOKEN)

    for path in ("/api/queues", "/login", "/none", "/static/app.css", "/health/live"):
        answer = await client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
