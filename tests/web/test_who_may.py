"""Who gets in: every route asks, but those that tell nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.routing import BaseRoute, Mount, Route

from aiojobs_redis import ConfigInvalid, Queue
from aiojobs_redis.web import ACTION_NAMES, Dashboard, Rights, actions, check_bind
from aiojobs_redis.web.api import OPERATIONS
from aiojobs_redis.web.guard import OPEN_PATHS
from aiojobs_redis.web.pages.notices import SENTENCES
from aiojobs_redis.web.rights import Forbidden
from aiojobs_redis.web.state import Caller
from tests.web.conftest import TOKEN, Reach, memory_queue

UNFIT: list[Any] = [1, object(), {"retry": True}, "all"]


def shown() -> Queue:
    return memory_queue("shown")


def every_route(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Yield the method and a path of each route; what varies in a path is ``x``."""
    routes: list[BaseRoute] = dashboard.application.routes
    for route in routes:
        if isinstance(route, Mount):
            assert route.path == "/static"
            continue
        assert isinstance(route, Route)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, re.sub(r"{[^}]*}", "x", route.path)


@pytest.mark.requirement("S13")
async def test_every_route_asks_who_somebody_is(reach: Reach) -> None:
    dashboard = Dashboard(shown(), token=TOKEN)
    stranger = reach(dashboard, address="203.0.113.9")
    asked = 0

    for method, path in every_route(dashboard):
        answer = await stranger.request(method, path)
        if path in OPEN_PATHS:
            continue
        asked += 1
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"

    assert asked >= len(OPERATIONS) - 2
    assert (await stranger.get("/no/such/route")).status_code == 401


@pytest.mark.requirement("S13")
async def test_without_authentication_only_this_machine_is_answered(reach: Reach) -> None:
    dashboard = Dashboard(shown())

    for address in ("203.0.113.9", "10.0.0.7", "fe80::1", "::ffff:10.0.0.1", "", "nonsense"):
        for method, path in every_route(dashboard):
            if path not in OPEN_PATHS:
                answer = await reach(dashboard, address=address).request(method, path)
                assert answer.status_code == 403, (method, path)
    for address in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
        answer = await reach(dashboard, address=address).get("/api/queues")
        assert answer.status_code == 200, address


@pytest.mark.requirement("S13")
@pytest.mark.parametrize(
    "host", ["0.0.0.0", "", "::", "10.0.0.7", "example.org", "127.0.0.1.nip.io"]
)
def test_an_open_dashboard_does_not_listen_where_others_reach_it(host: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"without authentication.*token"):
        check_bind(Dashboard(shown()), host)

    check_bind(Dashboard(shown(), token=TOKEN), host)
    check_bind(Dashboard(shown(), access=lambda _: "full"), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.1.2.3"])
def test_an_open_dashboard_listens_on_this_machine(host: str) -> None:
    check_bind(Dashboard(shown()), host)


@pytest.mark.requirement("S16")
async def test_the_token_opens_every_route(reach: Reach) -> None:
    dashboard = Dashboard(shown(), token=TOKEN)

    assert (await reach(dashboard, token=TOKEN).get("/api/queues")).status_code == 200
    for wrong in (TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "", "caf\u00e9 \u00ff"):
        client = reach(dashboard, address="203.0.113.1")
        headers = {"authorization": f"Bearer {wrong}".encode("utf-8", "surrogateescape")}
        answer = await client.get("/api/queues", headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 401, wrong
    basic = await reach(dashboard).get("/api/queues", auth=("user", TOKEN))
    assert basic.status_code == 401


@pytest.mark.parametrize("token", ["", "short", "x" * 15])
def test_a_short_token_is_refused(token: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"16 characters") as caught:
        Dashboard(shown(), token=token)

    assert not token or token not in str(caught.value)


def every_change(dashboard: Dashboard) -> Iterator[str]:
    """Yield a path of each route that changes a queue: of the API, and of the pages by action."""
    for method, path in every_route(dashboard):
        if method == "GET" or path in {"/login", "/logout"}:
            continue
        if path != "/do/x":
            yield path.replace("/queues/x/", "/queues/shown/")
            continue
        for action in SENTENCES:
            yield f"/do/{action}"


@pytest.mark.requirement("S13")
@pytest.mark.requirement("B37")
async def test_where_nobody_is_asked_nothing_can_be_changed(reach: Reach) -> None:
    queue = shown()
    job = await queue.enqueue("x", id="x", delay=3600)
    client = reach(Dashboard(queue))
    paths = list(every_change(Dashboard(queue)))

    for path in paths:
        form = {"queue": "shown", "id": "x", "sure": "1", "task": "x"}
        body: Any = {"data": form} if path.startswith("/do/") else {}
        answer = await client.post(path, **body)
        assert answer.status_code == 403, path
        assert "--allow-actions" in answer.json()["detail"]

    assert len(paths) >= 2 * len(ACTION_NAMES) - 1
    assert await queue.actions() == []
    assert await job.state() == "scheduled"
    assert not (await queue.counts()).paused
    page = (await client.get("/queues/shown/job", params={"id": "x"})).text
    assert "/do/" not in page
    assert "Read-only: this dashboard asks nobody who they are" in page
    assert "--allow-actions" in page


@pytest.mark.requirement("S13")
async def test_whoever_starts_it_may_let_everybody_on_the_machine_act(reach: Reach) -> None:
    queue = shown()
    client = reach(Dashboard(queue, read_only=False))

    assert set((await answers(client)).values()) & {401, 403} == set()
    assert "Read-only" not in (await client.get("/")).text


@pytest.mark.requirement("B37")
@pytest.mark.parametrize("options", [{}, {"token": TOKEN}, {"access": lambda _: "full"}])
async def test_a_dashboard_that_is_to_show_only_says_so(
    reach: Reach, options: dict[str, Any]
) -> None:
    client = reach(Dashboard(shown(), read_only=True, **options), token=TOKEN)

    answer = await client.post("/api/queues/shown/pause")

    assert answer.status_code == 403
    assert "started to show, not to change" in answer.json()["detail"]
    assert "Read-only: this dashboard was started to show" in (await client.get("/")).text


OF_ONE_JOB = {"retry", "cancel", "promote", "remove", "reschedule"}


@pytest.mark.requirement("B37")
@pytest.mark.parametrize("name", sorted(ACTION_NAMES))
async def test_no_action_is_done_by_one_who_may_not_whatever_asks_for_it(name: str) -> None:
    queue = shown()
    caller = Caller("eve", Rights(ACTION_NAMES - {name}))
    further: dict[str, list[Any]] = {
        "enqueue": [queue.bind("x")],
        "reprioritise": ["x", 1],
        "clean": ["dead"],
    }
    of_one = name.endswith(("_schedule", "_worker")) or name in OF_ONE_JOB

    with pytest.raises(Forbidden, match=r"you may not .*Nothing was changed"):
        await getattr(actions, name)(caller, queue, *further.get(name, ["x"] if of_one else []))

    assert await queue.actions() == []


BODIES: dict[str, Any] = {
    "add_job": {"task": "x"},
    "reschedule_job": {"delay": 1},
    "reprioritise_job": {"priority": 1},
    "clean_queue": {"state": "dead"},
    "limit_queue": {"concurrency": 1},
}


async def answers(client: httpx2.AsyncClient) -> dict[str, int]:
    """Return the status of each action of the API."""
    found: dict[str, int] = {}
    for one in OPERATIONS:
        if one.action is not None:
            path = one.path.replace("{queue}", "shown").replace("{id}", "x")
            body = BODIES.get(one.id)
            found[one.action] = (await client.post(path, json=body)).status_code
    return found


@pytest.mark.requirement("B37")
@pytest.mark.parametrize("granted", ["read-only", (), Rights.READ_ONLY, None])
async def test_who_may_only_look_changes_nothing(reach: Reach, granted: Any) -> None:
    queue = shown()
    dashboard = Dashboard(queue, access=lambda _: granted)
    if granted is None:
        dashboard = Dashboard(queue, token=TOKEN, read_only=True)
    client = reach(dashboard, token=TOKEN)

    assert (await client.get("/api/queues")).status_code == 200
    assert set((await answers(client)).values()) == {403}
    assert await queue.actions() == []
    assert not (await queue.counts()).paused


@pytest.mark.parametrize("action", sorted(ACTION_NAMES))
async def test_an_action_that_is_allowed_is_the_only_one(reach: Reach, action: str) -> None:
    client = reach(Dashboard(shown(), access=lambda _: {action}))

    found = await answers(client)

    assert set(found) == ACTION_NAMES
    assert found.pop(action) != 403
    assert set(found.values()) == {403}


async def test_who_may_limit_takes_no_limit_away(reach: Reach) -> None:
    queue = shown()
    await queue.limit(concurrency=1)
    client = reach(Dashboard(queue, access=lambda _: {"limit"}))

    refused = await client.post("/api/queues/shown/limit", json={})
    changed = await client.post("/api/queues/shown/limit", json={"concurrency": 2})

    assert (refused.status_code, changed.status_code) == (422, 200)
    assert [limit.concurrency for limit in await queue.limits()] == [2]
    assert [record.details for record in await queue.actions()] == [{"concurrency": 2}]
    await queue.destroy()


async def test_the_function_of_the_user_may_wait_and_name_somebody(reach: Reach) -> None:
    async def access(request: Any) -> Rights | None:
        user = request.headers.get("x-user")
        return Rights.FULL.named(user) if user else None

    queue = shown()
    client = reach(Dashboard(queue, access=access))

    refused = await client.post("/api/queues/shown/pause")
    allowed = await client.post("/api/queues/shown/pause", headers={"x-user": "ada"})
    await client.post("/api/queues/shown/resume", headers={"x-user": "ada"})

    assert (refused.status_code, allowed.status_code) == (403, 200)
    assert {record.who for record in await queue.actions()} == {"ada"}
    await queue.destroy()


async def test_a_token_opens_beside_the_function_of_the_user(reach: Reach) -> None:
    dashboard = Dashboard(shown(), access=lambda _: False, token=TOKEN)

    assert (await reach(dashboard, token=TOKEN).get("/api/queues")).status_code == 200
    assert (await reach(dashboard).get("/api/queues")).status_code == 401


@pytest.mark.parametrize("granted", UNFIT)
async def test_what_grants_nothing_that_is_known_lets_nobody_in(reach: Reach, granted: Any) -> None:
    answer = await reach(Dashboard(shown(), access=lambda _: granted)).get("/api/queues")

    assert answer.status_code >= 400
    assert "queues" not in answer.json()


async def test_an_error_of_the_function_that_cannot_be_printed_lets_nobody_in(reach: Reach) -> None:
    class Unprintable(Exception):
        def __getattribute__(self, name: str) -> Any:
            if name == "__notes__":
                raise ZeroDivisionError
            return super().__getattribute__(name)

    def access(_: Any) -> str:
        raise Unprintable

    answer = await reach(Dashboard(shown(), access=access)).get("/api/queues")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_error_of_the_function_tells_nothing(reach: Reach) -> None:
    def access(_: Any) -> str:
        raise RuntimeError("S3CR3T")

    client = reach(Dashboard(shown(), access=access))
    answer = await client.get("/api/queues")

    assert answer.status_code == 500
    assert "S3CR3T" not in answer.text
    assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize(
    "arguments",
    [{"access": "full"}, {"hosts": "example.org"}, {"token": 1}],
)
def test_wrong_arguments_are_refused_at_once(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalid, match=next(iter(arguments))):
        Dashboard(shown(), **arguments)


def test_queues_need_names_of_their_own() -> None:
    with pytest.raises(ConfigInvalid, match="one name"):
        Dashboard([shown(), shown()])
    with pytest.raises(ConfigInvalid, match="takes a Queue"):
        Dashboard([])
    with pytest.raises(ConfigInvalid, match="there is no action 'fly'"):
        Rights(frozenset({"fly"}))
