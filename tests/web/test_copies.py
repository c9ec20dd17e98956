"""A copy of a job: a new one that is like it in every option, or none."""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from aiojobs_redis import Fail, Fixed, JobState, Queue, SignedCodec, Unique, Worker
from aiojobs_redis.options import option_names
from aiojobs_redis.spec import read_header, read_spec
from aiojobs_redis.web import Dashboard
from tests.support.raw import raw
from tests.support.waiting import wait_until
from tests.web.conftest import Reach

FORM = {"sec-fetch-site": "same-origin", "accept": "text/html"}
HOUR = 3_600_000


def paying(queue: Queue) -> Queue:
    @queue.task(lease=40, keep_dead=7, priority=-3, headers={"of": "the task"}, unique="task")
    async def pay(amount: int, *, to: str = "") -> None:
        raise Fail(f"declined: {amount} {to}")

    return queue


async def stored(queue: Queue, id: str) -> tuple[dict[str, str], Any]:
    """Return the options and the spec of a job as they are in Redis."""
    blob: bytes = await raw(queue, "HGET", queue.store.keys["jobs"], id)
    head, _, body = blob.partition(b"\n")
    return read_header(head), read_spec(body)


async def copied(queue: Queue, client: httpx2.AsyncClient, id: str) -> str:
    """Press the button on the page of a job; the id of the copy."""
    answer = await client.post(f"/do/enqueue?queue={queue.name}&id={id}&back=/", headers=FORM)
    assert answer.headers.get("location") == "/?did=enqueue&n=1&of=1", answer.text
    [copy] = await queue.jobs(JobState.QUEUED)
    return copy.id


@pytest.fixture
def url() -> str:
    return f"memory://{uuid.uuid4().hex}"


@pytest.fixture
def pays(url: str, reach: Reach) -> tuple[Queue, httpx2.AsyncClient]:
    queue = paying(Queue("pays", url))
    return queue, reach(Dashboard(queue, read_only=False))


OPTIONS: dict[str, Any] = {
    "priority": 7,
    "key": "tenant, 100 %",
    "key_priority": 4,
    "attempts": 1,
    "backoff": Fixed(3),
    "timeout": 3600,
    "lease": 60,
    "max_deliveries": 1,
    "max_starts": 9,
    "delivery": "at_most_once",
    "expires": 3600,
    "keep_result": 86_400,
    "keep_dead": None,
    "keep_cancelled": 5,
    "unique": Unique("one, 100 %", until="done"),
    "headers": {"tenant": "blue"},
}
# Code of the task, the place and time of one job, and what a job of no flow has not.
OF_ONE_JOB = {"retry_on", "fail_on", "executor", "id", "delay", "at", "depends_on"}


async def test_a_copy_has_every_option_of_its_job(pays: tuple[Queue, httpx2.AsyncClient]) -> None:
    queue, client = pays
    assert OPTIONS.keys() | OF_ONE_JOB | {"on_parent_failure", "lifo"} == option_names()
    await queue.enqueue("pay", 1, to="ada", id="orig", **OPTIONS)
    await Worker(queue).run(burst=True)
    assert await queue.job("orig").state() is JobState.DEAD

    copy = await copied(queue, client, "orig")

    (before, spec), (after, again) = await stored(queue, "orig"), await stored(queue, copy)
    for header in (before, after):
        lasts = int(header.pop("x")) - int(header.pop("e"), 36)
        assert lasts == HOUR
    assert after == before
    assert {"p", "l", "d", "o", "r", "k", "c", "m", "g", "G", "u"} == after.keys()
    assert (bytes(again.call), again.options, again.headers) == (
        bytes(spec.call),
        spec.options,
        spec.headers,
    )
    assert again.options.keys() == {"attempts", "timeout", "backoff"}


async def test_a_copy_of_a_job_that_went_first_goes_first(
    web_queue: Queue, client: httpx2.AsyncClient
) -> None:
    await web_queue.enqueue("pay", 1, id="orig", lifo=True)
    await Worker(paying(web_queue)).run(burst=True)
    assert await web_queue.job("orig").state() is JobState.DEAD

    copy = await copied(web_queue, client, "orig")

    (before, _), (after, _) = await stored(web_queue, "orig"), await stored(web_queue, copy)
    assert before["L"] == after["L"] == "1"


async def test_what_a_job_has_not_its_copy_does_not_take_from_the_task(
    pays: tuple[Queue, httpx2.AsyncClient], url: str
) -> None:
    queue, client = pays
    plain = Queue("pays", url)
    await plain.enqueue("pay", 1, id="orig")
    await Worker(queue).run(burst=True)

    copy = await copied(queue, client, "orig")

    (before, spec), (after, again) = await stored(plain, "orig"), await stored(plain, copy)
    assert before.keys() == after.keys() == {"e"}
    assert (again.options, again.headers) == (spec.options, spec.headers) == ({}, {})


async def test_a_copy_of_an_at_most_once_job_is_never_delivered_again(
    web_queue: Queue, client: httpx2.AsyncClient
) -> None:
    ran: list[int] = []

    @web_queue.task
    async def charge(amount: int) -> None:
        ran.append(amount)

    await web_queue.enqueue("charge", 1, id="orig", delivery="at_most_once")
    await lose(web_queue)
    copy = await copied(web_queue, client, "orig")
    await lose(web_queue)

    assert await web_queue.job(copy).state() is JobState.DEAD
    assert ran == []


async def lose(queue: Queue) -> None:
    """Claim the only job, never end it, and let a worker find that its lease is over."""
    [lost] = await queue.claim(1, lease=0.5)
    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: dead(queue, lost.job.id), "the job is given up")
    worker.stop()
    await running


async def dead(queue: Queue, id: str) -> bool:
    return await queue.job(id).state() is JobState.DEAD


async def test_a_copy_of_a_job_that_waited_starts_at_once_and_expires_as_late_after_that(
    pays: tuple[Queue, httpx2.AsyncClient],
) -> None:
    queue, client = pays
    now = datetime.now(UTC)
    at, end = now + timedelta(hours=5), now + timedelta(hours=6)
    job = await queue.enqueue("pay", 1, at=at, expires=end, id="orig", unique=False)
    await job.cancel()

    header, _ = await stored(queue, await copied(queue, client, "orig"))

    assert int(header["x"]) - int(header["e"], 36) == HOUR
    assert "w" not in header


@pytest.mark.parametrize(
    "unique",
    [
        True,
        "a key, of 100 %",
        Unique(until="started"),
        Unique("k", window=0.001, extend=True),
        Unique("k", until="done", window=0.001),
        Unique(on_conflict="replace"),
        Unique("k", on_conflict="follow"),
    ],
    ids=str,
)
async def test_a_copy_is_unique_as_its_job_was(
    pays: tuple[Queue, httpx2.AsyncClient], unique: Any
) -> None:
    queue, client = pays
    await queue.enqueue("pay", 1, to="ada", id="orig", unique=unique)
    await Worker(queue).run(burst=True)

    copy = await copied(queue, client, "orig")

    assert (await stored(queue, copy))[0]["u"] == (await stored(queue, "orig"))[0]["u"]


async def test_a_copy_whose_unique_key_is_taken_is_not_made_and_the_page_says_why(
    pays: tuple[Queue, httpx2.AsyncClient],
) -> None:
    queue, client = pays
    await queue.enqueue("pay", 1, id="orig", unique="k")
    await Worker(queue).run(burst=True)
    await queue.enqueue("pay", 2, id="other", unique="k")

    answer = await client.post("/do/enqueue?queue=pays&id=orig&back=/", headers=FORM)

    assert answer.headers["location"] == "/?did=enqueue&n=0&of=1"
    assert [info.id for info in await queue.jobs("queued")] == ["other"]
    told = notice((await client.get("/?did=enqueue&n=0&of=1", headers=FORM)).text)
    assert told == "0 jobs enqueued. 1 was not: another job holds its unique key."


def notice(page: str) -> str:
    found = re.search(r'class="notice"[^>]*>([^<]*)', page)
    assert found is not None
    return found[1]


@pytest.mark.corrupts
@pytest.mark.parametrize(
    ("header", "said"),
    [
        (",e1,Z5", "Z5"),
        (",e1,lx", "lx"),
        (",e1,m2", "m2"),
        (",e1,xsoon", "xsoon"),
        (",e1,p", "p"),
        (",e1,udk:pay=0123", "udk:pay=0123"),
        (",e1,uqq:pay/k", "uqq:pay/k"),
        (",e1,udk:send/k", "udk:send/k"),
    ],
)
async def test_a_job_with_an_option_that_cannot_be_read_is_not_copied(
    pays: tuple[Queue, httpx2.AsyncClient], header: str, said: str
) -> None:
    queue, client = pays
    jobs = queue.store.keys["jobs"]
    await queue.enqueue("pay", 1, id="orig", unique=False)
    await Worker(queue).run(burst=True)
    blob: bytes = await raw(queue, "HGET", jobs, "orig")
    await raw(queue, "HSET", jobs, "orig", header.encode() + blob[blob.index(b"\n") :])
    run: bytes = await raw(queue, "HGET", queue.store.keys["runs"], "orig")
    fields = b",".join(run.split(b",")[:10])
    await raw(queue, "HSET", queue.store.keys["runs"], "orig", fields + header.encode())

    answer = await client.post("/do/enqueue?queue=pays&id=orig&back=/", headers=FORM)

    assert answer.status_code == 422
    assert f"{said!r}".replace("'", "&#39;") in answer.text
    assert "Nothing was enqueued" in answer.text
    assert (await queue.counts()).queued == 0


async def test_a_job_that_the_dashboard_cannot_open_is_not_copied(url: str, reach: Reach) -> None:
    codec = SignedCodec({"a": b"a" * 32}, current="a")
    sealed = paying(Queue("pays", url, codec=codec))
    job = await sealed.enqueue("pay", 1, id="orig", unique=False)
    await Worker(sealed).run(burst=True)
    other = Queue("pays", url)

    answer = await reach(Dashboard(other, read_only=False)).post(
        "/do/enqueue?queue=pays&id=orig&back=/", headers=FORM
    )
    assert answer.status_code == 422
    assert "the stored spec is signed" in answer.text
    assert (await sealed.counts()).queued == 0

    copy = await copied(sealed, reach(Dashboard(sealed, read_only=False)), job.id)
    await Worker(sealed).run(burst=True)
    assert [error.message for error in (await info_of(sealed, copy)).errors] == ["declined: 1 "]


async def info_of(queue: Queue, id: str) -> Any:
    return await queue.job(id).info()
