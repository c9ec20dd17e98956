"""A queue with a codec: what was not sealed for a job is dead and never run."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    Cancel,
    EncryptedCodec,
    JobCancelled,
    JobFailed,
    JobOptions,
    JobState,
    PayloadRejected,
    PayloadTooLarge,
    Queue,
    SignedCodec,
    Worker,
)
from aiojobs_redis._redis.scripts import SCRIPTS
from aiojobs_redis._redis.sealed_errors import OF_LUA
from tests.redis.worker.test_bad_specs import replace_spec
from tests.support.raw import dump, raw
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requirement("S5")

KEYS = {"2026-10": b"a" * 32, "2026-11": b"b" * 32}
CANARY = "canary-7c1f"


def signed(*keys: str) -> SignedCodec:
    return SignedCodec({name: KEYS[name] for name in keys}, current=keys[0])


def encrypted(*keys: str) -> EncryptedCodec:
    return EncryptedCodec({name: KEYS[name] for name in keys}, current=keys[0])


BOTH: list[Callable[..., Any]] = [signed, encrypted]


@pytest.fixture(params=BOTH)
def make(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """What makes a codec from ids of keys, the writing one first."""
    codec: Callable[..., Any] = request.param
    return codec


class App:
    """A queue and the tasks of these tests."""

    def __init__(self, name: str, url: str, codec: Any, namespace: str = "test") -> None:
        self.queue = queue = Queue(name, url, namespace=namespace, codec=codec)
        self.ran: list[str] = []

        @queue.task(attempts=1)
        async def work(text: str) -> str:
            self.ran.append(text)
            return f"{text} back"

        @queue.task(attempts=1)
        async def fail(text: str) -> None:
            raise ValueError(text)

        @queue.task
        async def nothing() -> None:
            return None

        @queue.task
        async def give_up(text: str) -> None:
            raise Cancel(text)

        self.work, self.fail, self.nothing, self.give_up = work, fail, nothing, give_up


@pytest.fixture
async def app(server_url: str, queue_name: str, make: Any) -> AsyncIterator[App]:
    """The application, with one key."""
    app = App(queue_name, server_url, make("2026-11"))
    yield app
    await app.queue.close()


async def stored(queue: Queue, id: str) -> bytes:
    """Return what stands in the place of a job's payload."""
    blob: bytes = await raw(queue, "HGET", queue.store.keys["jobs"], id)
    return blob.partition(b"\n")[2]


async def test_jobs_go_their_way_under_a_codec(app: App) -> None:
    job = await app.work.options(headers={"trace": "1"}).enqueue("x")
    info = await job.info()
    assert info is not None
    assert (info.task, info.args, info.headers) == ("work", ["x"], {"trace": "1"})
    many = await app.queue.enqueue_many([app.work.bind(f"{n}") for n in range(300)])
    none, failed, cancelled = (
        await app.nothing.enqueue(),
        await app.fail.enqueue("boom"),
        await app.give_up.enqueue("enough"),
    )
    async with Worker(app.queue, concurrency=20):
        assert await job.result(10) == "x back"
        assert await app.queue.job(job.id).result(10) == "x back"
        assert await asyncio.gather(*(job.result(10) for job in many)) == [
            f"{n} back" for n in range(300)
        ]
        outcome = await asyncio.gather(none.result(10))
        assert list(outcome) == [None]
        with pytest.raises(JobFailed, match="ValueError: boom") as caught:
            await failed.result(10)
        assert "raise ValueError(text)" in caught.value.traceback
        with pytest.raises(JobCancelled, match="enough"):
            await cancelled.result(10)
    [dead] = await app.queue.dead_letters(error="ValueError")
    assert (dead.args, dead.errors[0].message) == (["boom"], "boom")


@pytest.mark.parametrize("server_url", ["memory"], indirect=True)
async def test_a_changed_payload_is_dead_with_a_reason_and_never_runs(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    whole = await stored(app.queue, (await app.work.enqueue("first")).id)
    changed = []
    for at in range(len(whole)):
        forged = bytearray(whole)
        forged[at] ^= 1
        job = await app.work.enqueue(f"{at}")
        await replace_spec(app.queue, job.id, bytes(forged))
        changed.append(job)
    caplog.set_level(logging.WARNING)
    async with Worker(app.queue, concurrency=50):
        for job in changed:
            with pytest.raises(JobFailed, match=r"PayloadRejected: the stored payload of .*job"):
                await job.result(10)
    assert app.ran == ["first"]
    rejected = await app.queue.dead_letters(error="PayloadRejected", limit=1000)
    assert len(rejected) == (await app.queue.counts()).dead == len(whole)
    assert len([r for r in caplog.records if "it was not run" in r.getMessage()]) == len(whole)


async def test_a_payload_of_another_job_queue_or_namespace_is_dead(
    app: App, server_url: str, make: Any
) -> None:
    name = app.queue.name
    others = [
        App(f"{name}.other", server_url, make("2026-11")),
        App(name, server_url, make("2026-11"), namespace="test2"),
    ]
    theirs = [(source, await source.work.enqueue("theirs")) for source in (app, *others)]
    victims = [await app.work.enqueue("own") for _ in theirs]
    # Of the same id too, so that nothing but the queue or the namespace differs.
    for source in others:
        job = await source.work.options(id=source.queue.store.namespace).enqueue("theirs")
        theirs.append((source, job))
        victims.append(await app.work.options(id=job.id).enqueue("own"))
    for (source, job), victim in zip(theirs, victims, strict=True):
        await replace_spec(app.queue, victim.id, await stored(source.queue, job.id))
    async with Worker(app.queue):
        assert await theirs[0][1].result(10) == "theirs back"
        for victim in victims:
            with pytest.raises(JobFailed, match="PayloadRejected"):
                await victim.result(10)
    assert app.ran == ["theirs"]
    for source in others:
        await source.queue.destroy(force=True)
        await source.queue.close()


async def test_a_plain_payload_is_dead_where_a_codec_is_asked_for(
    app: App, server_url: str
) -> None:
    plain = App(app.queue.name, server_url, None)
    job = await plain.work.enqueue("forged")
    async with Worker(app.queue):
        with pytest.raises(JobFailed, match=r"PayloadRejected: .*it is not (signed|encrypted)"):
            await app.queue.job(job.id).result(10)
    assert app.ran == plain.ran == []
    await plain.queue.close()


async def test_a_worker_without_the_codec_says_what_it_lacks(app: App, server_url: str) -> None:
    job = await app.work.enqueue("x")
    plain = App(app.queue.name, server_url, None)
    async with Worker(plain.queue):
        with pytest.raises(JobFailed, match=r"ArgumentsInvalid: the stored spec is .*the codec of"):
            await plain.queue.job(job.id).result(10)
    assert plain.ran == []
    # With the codec the same job is replayed.
    await app.queue.replay(job.id)
    async with Worker(app.queue):
        assert await job.result(10) == "x back"
    await plain.queue.close()


async def test_a_rotation_of_keys_fails_no_job(server_url: str, queue_name: str, make: Any) -> None:
    steps = [make("2026-10"), make("2026-10", "2026-11"), make("2026-11", "2026-10")]
    apps = [App(queue_name, server_url, codec) for codec in steps]
    jobs = []
    # Each producer beside each worker that runs together with it in a rolling deployment.
    for producer, worker in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2)):
        made = [await apps[producer].work.enqueue(f"{producer}{worker}{n}") for n in range(20)]
        async with Worker(apps[worker].queue, concurrency=10):
            results = [await job.result(10) for job in made]
        assert results == [f"{producer}{worker}{n} back" for n in range(20)]
        jobs += made
    # What is written from now on needs the old key no more.
    job = await apps[2].work.enqueue("last")
    last = App(queue_name, server_url, make("2026-11"))
    async with Worker(last.queue):
        assert await last.queue.job(job.id).result(10) == "last back"
    counts = await last.queue.counts()
    assert (counts.dead, counts.completed) == (0, len(jobs) + 1)
    for app in (*apps, last):
        await app.queue.close()


async def test_a_result_that_was_changed_moved_or_taken_away_is_rejected(app: App) -> None:
    jobs = [await app.work.enqueue(f"{n}") for n in range(4)]
    async with Worker(app.queue):
        for job in jobs:
            await job.result(10)
    results = app.queue.store.keys["results"]
    one, two = [await raw(app.queue, "HGET", results, job.id) for job in jobs[:2]]
    await raw(app.queue, "HSET", results, jobs[0].id, two)
    await raw(app.queue, "HSET", results, jobs[1].id, one[:-1] + bytes([one[-1] ^ 1]))
    await raw(app.queue, "HDEL", results, jobs[2].id)
    for job in jobs[:3]:
        with pytest.raises(PayloadRejected, match="the stored result of"):
            await job.result(10)
    await raw(app.queue, "HSET", results, jobs[3].id, msgspec.msgpack.encode("forged"))
    with pytest.raises(PayloadRejected):
        await jobs[3].result(10)


async def test_nothing_of_users_is_in_redis_under_encryption(
    server_url: str, queue_name: str
) -> None:
    app = App(queue_name, server_url, encrypted("2026-11"))
    queue, found = app.queue, []
    await app.work.options(headers={"user": CANARY}).enqueue(CANARY)
    await app.fail.enqueue(CANARY)
    await app.give_up.enqueue(CANARY)
    await queue.schedule("later", app.work.bind(CANARY), every=3600)
    await (await app.work.options(delay=60).enqueue(CANARY)).cancel(reason=CANARY)
    found.append(await dump(queue))
    async with Worker(queue) as worker:
        assert await app.queue.job((await app.work.enqueue(CANARY)).id).result(10)

        async def done() -> bool:
            return not worker.runs() and not (await queue.counts()).queued

        await wait_until(done, "all jobs to be finished")
    found.append(await dump(queue))
    assert CANARY not in repr(found)
    assert "work" in repr(found)
    assert f"{CANARY} back" in [await job.result() for job in await _completed(queue)]
    [dead] = await queue.dead_letters()
    assert CANARY in dead.errors[0].message
    assert "canary" in dead.errors[0].traceback
    await queue.close()


async def _completed(queue: Queue) -> list[Any]:
    return [queue.job(info.id) for info in await queue.jobs(JobState.COMPLETED)]


async def test_errors_without_their_codec_tell_that_they_are_sealed(
    app: App, server_url: str
) -> None:
    job = await app.fail.enqueue(CANARY)
    async with Worker(app.queue):
        with pytest.raises(JobFailed, match=CANARY):
            await job.result(10)
    plain = Queue(app.queue.name, server_url, namespace="test")
    [dead] = await plain.dead_letters()
    assert dead.errors[0].type == "ValueError"
    assert dead.errors[0].message == "the text is sealed: give the queue its codec to read it"
    # Of another job, or of another key, it is named as rejected and hides no other line.
    other = await app.fail.enqueue("other")
    errors = app.queue.store.keys["errors"]
    line = await raw(app.queue, "HGET", errors, job.id)
    await raw(app.queue, "HSET", errors, job.id, line + b"\nnoise")
    async with Worker(app.queue):
        with pytest.raises(JobFailed, match="other"):
            await other.result(10)
    await raw(app.queue, "HSET", errors, other.id, line)
    [info] = await app.queue.infos([other.id])
    assert "was rejected" in info.errors[0].message
    await plain.close()


FORGED = "forged-91b2"


async def _forge(queue: Queue, id: str, kind: str) -> bytes:
    """Put an error of ours in the place of one that a job has recorded; returns the line."""
    line = msgspec.json.encode({"type": kind, "message": FORGED, "traceback": FORGED})
    await raw(queue, "HSET", queue.store.keys["errors"], id, line)
    return line


async def test_the_text_of_an_error_without_a_seal_is_not_shown(
    app: App, server_url: str, make: Any
) -> None:
    job = await app.fail.enqueue("boom")
    async with Worker(app.queue):
        with pytest.raises(JobFailed, match="boom"):
            await job.result(10)
    for kind in ("ValueError", "Cancelled"):
        await _forge(app.queue, job.id, kind)
        with pytest.raises(JobFailed) as caught:
            await job.result(10)
        assert (caught.value.error_type, FORGED in repr(caught.value)) == (kind, False)
        [dead] = await app.queue.dead_letters(error=kind)
        assert "the stored error of" in dead.errors[0].message
        assert FORGED not in repr(dead.errors)
    # No way around it: a line that is none, and what only scripts write.
    errors = app.queue.store.keys["errors"]
    await raw(app.queue, "HSET", errors, job.id, f"{FORGED} {{".encode())
    [dead] = await app.queue.dead_letters(error="Undecodable")
    assert FORGED not in repr(dead.errors)
    for kind in OF_LUA:
        await _forge(app.queue, job.id, kind)
        [dead] = await app.queue.dead_letters(error=kind)
        assert (dead.errors[0].message, dead.errors[0].traceback) == (FORGED, "")
    # While a codec is introduced, there are such errors.
    codec = type(make("2026-11"))(KEYS, current="2026-11", accept_plain=True)
    async with Queue(app.queue.name, server_url, namespace="test", codec=codec) as accepting:
        await _forge(accepting, job.id, "ValueError")
        [dead] = await accepting.dead_letters()
        assert dead.errors[0].message == dead.errors[0].traceback == FORGED


def test_errors_of_scripts_are_known_by_their_types() -> None:
    text = "\n".join(script.bare.decode() for script in SCRIPTS.values())
    written = set(re.findall(r"""type(?: =|":)\s*['"](\w+)""", text))
    for pair in re.findall(r"reason = once and '(\w+)' or '(\w+)'", text):
        written |= set(pair)
    assert written == OF_LUA


async def test_a_schedule_makes_jobs_that_its_workers_accept(app: App) -> None:
    await app.queue.schedule("pulse", app.work.bind("tick"), every=1)
    job = await app.queue.trigger("pulse")
    assert job is not None
    async with Worker(app.queue):
        assert await job.result(10) == "tick back"
        await wait_until(lambda: len(app.ran) >= 2, "a tick to make a job")
    assert set(app.ran) == {"tick"}
    assert (await app.queue.counts()).dead == 0


async def test_declaring_a_schedule_again_keeps_its_phase_and_pause_under_new_keys(
    server_url: str, queue_name: str, make: Any
) -> None:
    before = App(queue_name, server_url, make("2026-10"))
    await before.queue.schedule("pulse", before.work.bind("x"), every=3600)
    await before.queue.pause_schedule("pulse")
    [paused] = await before.queue.schedules()
    after = App(queue_name, server_url, make("2026-11", "2026-10"))
    await after.queue.schedule("pulse", after.work.bind("x"), every=3600)
    assert await after.queue.schedules() == [paused]
    # Sealed anew, so that the old key can go.
    last = App(queue_name, server_url, make("2026-11"))
    job = await last.queue.trigger("pulse")
    assert job is not None
    async with Worker(last.queue):
        assert await job.result(10) == "x back"
    await after.queue.schedule("pulse", after.work.bind("y"), every=3600)
    [changed] = await after.queue.schedules()
    assert changed.enabled is False
    for app in (before, after, last):
        await app.queue.close()


async def test_a_schedule_that_was_changed_or_moved_makes_no_job(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    await app.queue.schedule("one", app.work.bind("x"), every=3600)
    key = app.queue.store.keys["schedules"]
    record: bytes = await raw(app.queue, "HGET", key, "one")
    head, _, definition = record.partition(b"\n")
    fields = msgspec.msgpack.decode(definition)
    fields["every_ms"] = 1000
    forged = head + b"\n" + msgspec.msgpack.encode(fields)
    for id, text in (("one", forged), ("two", record)):
        await raw(app.queue, "HSET", key, id, text)
        await raw(app.queue, "ZADD", app.queue.store.keys["ticks"], 1, id)
        with pytest.raises(PayloadRejected, match=f"the stored schedule of .*{id}"):
            await app.queue.trigger(id)
    async with Worker(app.queue):
        await wait_until(
            lambda: (
                {"one", "two"}
                <= {id for id in ("one", "two") if f"schedule {id} cannot be fired" in caplog.text}
            ),
            "both schedules to be reported",
        )
    assert app.ran == []
    assert (await app.queue.counts()).unfinished == 0


async def test_the_size_limit_holds_for_the_payload_with_its_seal(
    server_url: str, queue_name: str
) -> None:
    queue = Queue(
        queue_name, server_url, namespace="test", codec=signed("2026-11"), max_payload=200
    )

    @queue.task
    async def work(data: bytes) -> None: ...

    await work.enqueue(b"x" * 100)
    with pytest.raises(PayloadTooLarge, match=r"the limit of queue .* is 200"):
        await work.enqueue(b"x" * 180)
    assert (await queue.counts()).queued == 1
    await queue.close()


@pytest.mark.parametrize("max_payload", [250, 100_000])
async def test_a_schedule_whose_jobs_would_be_too_large_is_refused(
    server_url: str, queue_name: str, make: Any, max_payload: int
) -> None:
    codec = make("2026-11")
    queue = Queue(queue_name, server_url, namespace="test", codec=codec, max_payload=max_payload)

    @queue.task
    async def work(data: bytes) -> None: ...

    # What a job of its own may just have, a schedule may have too, and not a byte more.
    size = max_payload
    while True:
        try:
            await work.enqueue(b"x" * size)
            break
        except PayloadTooLarge:
            size -= 1
    await queue.schedule("pulse", work.bind(b"x" * size), every=3600)
    for extra in (1, 20):
        with pytest.raises(PayloadTooLarge, match=f"the limit of queue .* is {max_payload}"):
            await queue.schedule("large", work.bind(b"x" * (size + extra)), every=3600)
    job = await queue.trigger("pulse")
    assert job is not None
    async with Worker(queue):
        assert await job.result(10) is None
    assert [info.id for info in await queue.schedules()] == ["pulse"]
    await queue.close()


def test_a_declared_schedule_whose_jobs_would_be_too_large_is_refused(make: Any) -> None:
    queue = Queue("q", "memory://sizes", codec=make("2026-11"), max_payload=200)

    async def work() -> None: ...

    with pytest.raises(PayloadTooLarge, match="the limit of queue q is 200"):
        queue.cron("@daily", options=JobOptions(headers={"trace": "x" * 150}))(work)
    assert queue.registry.declared == []


async def test_arguments_are_still_checked_before_they_are_sealed(app: App) -> None:
    with pytest.raises(ArgumentsInvalid):
        await app.work.enqueue(5)  # type: ignore[arg-type]
