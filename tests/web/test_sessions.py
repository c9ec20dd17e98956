"""Logging in with the token, the cookie that comes of it, and wrong tries."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import AsyncIterator
from html import unescape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from aiojobs_redis.web import Dashboard
from aiojobs_redis.web.access import Access
from aiojobs_redis.web.session import COOKIE, Sessions
from aiojobs_redis.web.throttle import Throttle
from tests.web.conftest import TOKEN, Reach, memory_queue

pytestmark = pytest.mark.requirement("S16")

FORM = {"content-type": "application/x-www-form-urlencoded"}


def guarded() -> Dashboard:
    return Dashboard(memory_queue("sessions"), token=TOKEN)


@pytest.mark.parametrize("base_url", ["http://localhost", "https://localhost"])
async def test_a_login_gives_a_cookie_that_no_script_and_no_other_site_gets(
    reach: Reach, base_url: str
) -> None:
    client = reach(guarded(), base_url=base_url)

    answer = await client.post("/login", data={"token": TOKEN, "next": "/jobs?state=dead"})

    assert answer.status_code == 303
    assert answer.headers["location"] == "/jobs?state=dead"
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "strict"
    assert cookie["path"] == "/"
    assert bool(cookie["secure"]) == base_url.startswith("https")
    assert TOKEN not in answer.headers["set-cookie"]
    assert (await client.get("/api/queues")).status_code == 200


async def test_a_logout_takes_the_cookie_away(reach: Reach) -> None:
    client = reach(guarded())
    await client.post("/login", data={"token": TOKEN})

    assert (await client.post("/logout")).status_code == 303
    assert (await client.get("/api/queues")).status_code == 401


async def test_a_browser_is_shown_the_login_and_goes_on_where_it_was(reach: Reach) -> None:
    client = reach(guarded())

    answer = await client.get("/jobs?x=<b>", headers={"accept": "text/html"})

    assert answer.status_code == 401
    assert 'name="token"' in answer.text
    assert "/jobs?x=" in answer.text
    assert "<b>" not in answer.text


@pytest.mark.requirement("S15")
@pytest.mark.parametrize("name", ['"><b>', "<b>", "' onfocus='x", "a?b", "100%25", "&lt;b>"])
async def test_the_login_shows_no_path_as_markup_and_returns_to_it(reach: Reach, name: str) -> None:
    client = reach(guarded())
    path = f"/queues/{quote(name, safe='')}?a=1&lt=2&copy=3"

    page = (await client.get(path, headers={"accept": "text/html"})).text
    found = re.search(r'name="next" type="hidden" value="([^"]*)"', page)

    assert found is not None
    assert page.count("<b>") == 0
    assert "onfocus='" not in page
    answer = await client.post("/login", data={"token": TOKEN, "next": unescape(found[1])})
    assert answer.headers["location"] == path


async def test_a_mounted_dashboard_keeps_its_cookie_to_itself(reach: Reach) -> None:
    client = reach(Starlette(routes=[Mount("/admin/jobs", guarded())]))

    answer = await client.post("/admin/jobs/login", data={"token": TOKEN})

    assert answer.headers["location"] == "/admin/jobs/"
    assert SimpleCookie(answer.headers["set-cookie"])[COOKIE]["path"] == "/admin/jobs"
    assert (await client.get("/admin/jobs/api/queues")).status_code == 200
    page = await reach(Starlette(routes=[Mount("/admin/jobs", guarded())])).get(
        "/admin/jobs/", headers={"accept": "text/html"}
    )
    assert 'action="/admin/jobs/login"' in page.text


@pytest.mark.parametrize(
    "wanted",
    [
        *("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"),
        *("evil", "", "/%0d%0aSet-Cookie:x=1", "///evil.example", "http://[bad"),
    ],
)
async def test_a_login_leads_to_no_other_site(reach: Reach, wanted: str) -> None:
    answer = await reach(guarded()).post("/login", data={"token": TOKEN, "next": wanted})

    location = answer.headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "x" not in answer.cookies


@pytest.mark.parametrize(
    "body", [b"", b"token=", b"token=%ff", b"\xff\x00", b"&" * 100, b"a=1" * 999]
)
async def test_a_wrong_login_is_told_so(reach: Reach, body: bytes) -> None:
    answer = await reach(guarded()).post("/login", content=body, headers=FORM)

    assert answer.status_code in {401, 422}
    assert COOKIE not in answer.headers.get("set-cookie", "")


def test_a_cookie_is_good_for_its_time_and_its_token() -> None:
    now = 1_000_000.0
    sessions = Sessions(TOKEN, lambda: now)
    value = sessions.new()
    end, nonce, signature = value.split(".")

    assert sessions.holds(value)
    assert not Sessions("another-token-of-the-tests", lambda: now).holds(value)
    assert sessions.new() != value
    for forged in (
        f"{int(end) + 1}.{nonce}.{signature}",
        f"{end}.{nonce}x.{signature}",
        f"{end}.{nonce}.{signature[:-1]}",
        *("", ".", "..", "x.y.z", "\u00e9.\u00e9.\u00e9"),
    ):
        assert not sessions.holds(forged), forged
    now += 12 * 3600
    assert not sessions.holds(value)


async def test_ten_wrong_tries_are_followed_by_a_wait(reach: Reach) -> None:
    dashboard = guarded()
    thief = reach(dashboard, address="203.0.113.5", token="wrong")
    owner = reach(dashboard, address="203.0.113.6", token=TOKEN)

    tries = [(await thief.get("/api/queues")).status_code for _ in range(12)]
    login = await thief.post("/login", data={"token": TOKEN})
    lucky = await thief.get("/api/queues", headers={"authorization": f"Bearer {TOKEN}"})

    assert tries == [401] * 10 + [429] * 2
    assert login.status_code == lucky.status_code == 429, "nor is the right one tried"
    assert 1 <= int(lucky.headers["retry-after"]) <= 60
    assert (await owner.get("/api/queues")).status_code == 200, "others are not held up"
    assert (await thief.get("/health/live")).status_code == 200


async def test_wrong_logins_count_as_tries_too(reach: Reach) -> None:
    client = reach(guarded(), address="203.0.113.7")

    tries = [(await client.post("/login", data={"token": f"{n}"})).status_code for n in range(12)]

    assert tries == [401] * 10 + [429] * 2


async def test_logins_that_come_all_at_once_are_no_more_tries(reach: Reach) -> None:
    client = reach(guarded(), address="203.0.113.9")
    # The last one does not wait, and so is the first to be compared.
    guesses = [*(f"wrong-{n}" for n in range(50)), TOKEN, "wrong"]
    waiting, sent = 0, asyncio.Event()

    async def late(guess: str) -> AsyncIterator[bytes]:
        # No body is there before all of them have been asked who they are.
        nonlocal waiting
        waiting += 1
        if waiting == len(guesses):
            sent.set()
        await sent.wait()
        yield f"token={guess}".encode()

    answers = await asyncio.gather(
        *(client.post("/login", content=late(guess), headers=FORM) for guess in guesses)
    )

    assert [answer.status_code for answer in answers] == [401] * 9 + [429] * 42 + [401]
    assert 1 <= int(answers[-2].headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("?queue=x&back=/admin/jobs/queues/x?a=1%26b=2", "/admin/jobs/queues/x?a=1&b=2"),
        ("?queue=x&back=https://evil.example/", "/admin/jobs/"),
        ("?queue=x&back=//evil.example", "/admin/jobs/"),
        ("", "/admin/jobs/"),
    ],
)
async def test_a_button_that_is_pressed_after_the_session_leads_back_to_its_page(
    reach: Reach, query: str, wanted: str
) -> None:
    client = reach(Starlette(routes=[Mount("/admin/jobs", guarded())]))

    page = await client.post(f"/admin/jobs/do/pause{query}", headers={"accept": "text/html"})
    found = re.search(r'name="next" type="hidden" value="([^"]*)"', page.text)

    assert found is not None
    login = {"token": TOKEN, "next": unescape(found[1])}
    answer = await client.post("/admin/jobs/login", data=login)
    assert answer.headers["location"] == wanted


async def test_a_probe_is_no_place_to_try_tokens(reach: Reach) -> None:
    client = reach(guarded(), address="203.0.113.10", token="wrong")

    probes = [(await client.get("/health/ready")).status_code for _ in range(12)]
    right = {"authorization": f"Bearer {TOKEN}"}

    assert probes == [200] * 12
    assert (await client.get("/api/queues", headers=right)).status_code == 429
    assert (await client.get("/health/ready?max_depth=1", headers=right)).status_code == 403


async def test_who_asks_without_a_token_has_not_tried_one(reach: Reach) -> None:
    client = reach(guarded(), address="203.0.113.8")

    assert {(await client.get("/api/queues")).status_code for _ in range(30)} == {401}


def test_a_wait_ends_and_the_addresses_that_are_remembered_are_bounded() -> None:
    now = 0.0
    throttle = Throttle(lambda: now)
    for _ in range(10):
        assert throttle.wait("thief") == 0
        throttle.wrong("thief")
    assert throttle.wait("thief") == 60
    now = 59.0
    throttle.wrong("thief")
    assert throttle.wait("thief") == 1
    now = 60.0
    assert throttle.wait("thief") == 0
    for number in range(20_000):
        throttle.wrong(f"{number}")
    assert len(throttle) == 10_000


def test_tokens_are_compared_in_a_time_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def compare(a: Any, b: Any) -> bool:
        compared.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    access = Access(None, TOKEN, read_only=False)

    assert [access.is_token(given) for given in ("", TOKEN[:-1], "x" * 9999, TOKEN)] == [
        *(False, False, False, True)
    ]
    # Digests of one length, whatever was given, and no shortcut before them.
    assert compared == [(32, 32)] * 4
