"""A codec that cannot seal or open for a while ends neither jobs nor the worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from aiojobs_redis import JobFailed, JobState, Queue, SignedCodec, Worker
from aiojobs_redis.worker import scheduler, sealed_starter
from tests.redis.worker.test_bad_specs import replace_spec
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requirement("S5")

PAUSE = 0.2


class Service:
    """A codec whose keys are somewhere else.

    Attributes:
        away: What cannot be done now, ``seal`` or ``open``.
        only: Part of the contexts that this concerns.
        error: What is raised then.
        asked: Times at which it was.
    """

    def __init__(self) -> None:
        self._codec = SignedCodec({"one": b"k" * 32})
        self.away: set[str] = set()
        self.only = b""
        self.error: BaseException = ConnectionError("the key service is away")
        self.asked: list[float] = []

    def seal(self, data: bytes, context: bytes) -> bytes:
        self._ask("seal", context)
        return self._codec.seal(data, context)

    def open(self, data: bytes, context: bytes) -> bytes:
        self._ask("open", context)
        return self._codec.open(data, context)

    def _ask(self, what: str, context: bytes) -> None:
        if what in self.away and self.only in context:
            self.asked.append(time.monotonic())
            raise self.error


class App:
    """A queue as producers see it, and as workers do, whose key service may be away."""

    def __init__(self, name: str, url: str) -> None:
        self.service = Service()
        self.queue = Queue(name, url, namespace="test", codec=Service())
        self.workers = Queue(name, url, namespace="test", codec=self.service)
        self.ran: list[str] = []

        @self.workers.task
        async def work(text: str) -> str:
            self.ran.append(text)
            if text == "fail":
                raise ValueError(text)
            return f"{text} back"


@pytest.fixture
async def app(
    server_url: str, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[App]:
    monkeypatch.setattr(sealed_starter, "_PAUSE", PAUSE)
    app = App(queue_name, server_url)
    yield app
    for queue in (app.queue, app.workers):
        await queue.close()


@pytest.mark.parametrize("text", ["x", "fail"])
async def test_an_outcome_that_cannot_be_sealed_hands_the_job_back(app: App, text: str) -> None:
    job = await app.queue.enqueue("work", text, attempts=1)
    app.service.away = {"seal"}
    async with Worker(app.workers, concurrency=1) as worker:
        await wait_until(lambda: len(app.service.asked) >= 4, "the job to be tried again")
        app.service.away.clear()
        if text == "fail":
            with pytest.raises(JobFailed, match="ValueError: fail"):
                await job.result(10)
        else:
            assert await job.result(10) == "x back"
        await wait_until(lambda: not worker.runs(), "the slot to be free")
    gaps = [b - a for a, b in zip(app.service.asked, app.service.asked[1:], strict=False)]
    assert min(gaps) >= PAUSE / 2
    info = await job.info()
    assert info is not None
    assert (info.attempt, info.lost_deliveries) == (1, 0)
    assert len(app.ran) == len(app.service.asked) + 1
    assert (await app.queue.counts()).unfinished == 0


async def test_a_rejected_payload_that_cannot_be_buried_ends_no_worker(app: App) -> None:
    job = await app.queue.enqueue("work", "forged")
    await replace_spec(app.queue, job.id, b"noise")
    app.service.away = {"seal"}
    async with Worker(app.workers, concurrency=1):
        await wait_until(lambda: len(app.service.asked) >= 3, "the job to be tried again")
        app.service.away.clear()
        with pytest.raises(JobFailed, match="PayloadRejected"):
            await job.result(10)
        assert await (await app.queue.enqueue("work", "x")).result(10) == "x back"
    assert app.ran == ["x"]


@pytest.mark.parametrize(
    "error", [ConnectionError("away"), ValueError("no"), SystemExit(1), asyncio.CancelledError()]
)
async def test_a_payload_that_cannot_be_opened_now_waits(app: App, error: BaseException) -> None:
    jobs = [await app.queue.enqueue("work", f"{n}") for n in range(5)]
    app.service.away, app.service.error = {"open"}, error
    async with Worker(app.workers, concurrency=2):
        await wait_until(lambda: len(app.service.asked) >= 6, "the jobs to be tried again")
        assert app.ran == []
        app.service.away.clear()
        assert [await job.result(10) for job in jobs] == [f"{n} back" for n in range(5)]
    # Two slots, and a pause each time: six tries take two pauses at least.
    assert app.service.asked[5] - app.service.asked[0] >= PAUSE
    for info in await app.queue.infos([job.id for job in jobs]):
        assert (info.attempt, info.lost_deliveries) == (1, 0)


async def test_a_payload_that_can_never_be_opened_costs_a_slot_and_no_more(app: App) -> None:
    bad = await app.queue.enqueue("work", "bad", id="bad")
    good = [await app.queue.enqueue("work", f"{n}") for n in range(50)]
    app.service.away, app.service.only = {"open"}, b"3:bad"
    async with Worker(app.workers, concurrency=2):
        assert [await job.result(10) for job in good] == [f"{n} back" for n in range(50)]
        assert await bad.state() in {JobState.QUEUED, JobState.RUNNING}
    assert await bad.state() is JobState.QUEUED


async def test_a_job_that_is_delivered_once_is_not_run_again(app: App) -> None:
    job = await app.queue.enqueue("work", "x", delivery="at_most_once")
    # Not before its attempt: then nothing was done that must not be done twice.
    app.service.away = {"open"}
    async with Worker(app.workers):
        await wait_until(lambda: len(app.service.asked) >= 2, "the job to be tried again")
        app.service.away = {"seal"}
        with pytest.raises(JobFailed, match=r"abandoned: .*could not be sealed") as caught:
            await job.result(10)
        assert caught.value.error_type == "abandoned"
    assert app.ran == ["x"]


@pytest.mark.parametrize("away", ["seal", "open"])
async def test_a_stop_or_a_cancellation_waits_for_no_pause(
    app: App, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_starter, "_PAUSE", 1000.0)
    kept, called_off = [await app.queue.enqueue("work", "x", lease=1.5) for _ in range(2)]
    app.service.away = {away}
    worker = Worker(app.workers)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: len(app.service.asked) == 2, "both jobs to meet with it")
    assert await called_off.cancel()

    async def cancelled() -> bool:
        return await called_off.state() is JobState.CANCELLED

    await wait_until(cancelled, "the cancellation")
    worker.stop(grace=0)
    async with asyncio.timeout(4):
        await running
    assert await kept.state() is JobState.QUEUED


async def test_a_lasting_fault_is_told_and_does_not_flood_the_log(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(4):
        await app.queue.enqueue("work", f"{n}")
    app.service.away = {"open"}
    async with Worker(app.workers):
        await wait_until(lambda: len(app.service.asked) >= 8, "the jobs to be tried again")
        app.service.away.clear()
        await wait_until(lambda: len(app.ran) == 4, "the jobs to run")
    [told] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "its payload cannot be opened" in told
    assert "ConnectionError: the key service is away" in told


@pytest.mark.parametrize("error", [ConnectionError("away"), KeyError("no")])
async def test_a_schedule_that_cannot_be_opened_holds_up_no_other(
    app: App, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("bad", "good"):
        await app.queue.schedule(name, app.queue.bind("work", name), every=1)
    app.service.away, app.service.only, app.service.error = {"open"}, b"3:bad", error
    async with Worker(app.workers):
        await wait_until(lambda: app.ran.count("good") >= 2, "the other schedule to tick", 10)
        assert "bad" not in app.ran
        assert "schedule bad cannot be fired here: the codec of the queue raised" in caplog.text
        assert "Redis" not in caplog.text
        app.service.away.clear()
        await wait_until(lambda: "bad" in app.ran, "the schedule to go on", 10)
    assert (await app.queue.counts()).dead == 0


async def test_a_schedule_that_cannot_be_sealed_is_declared_soon_after(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "_DECLARE_AGAIN", 0.05)
    for name in ("bad", "good"):

        async def tick() -> None: ...

        app.workers.cron("0 0 1 1 *", name=name)(tick)
    app.service.away, app.service.only = {"seal"}, b"3:bad"
    app.service.error = KeyError("no")

    async def ids() -> list[str]:
        return [info.id for info in await app.queue.schedules()]

    async def is_there(name: str) -> bool:
        return name in await ids()

    async with Worker(app.workers):
        await wait_until(lambda: is_there("good"), "the other schedule to be declared")
        assert await ids() == ["good"]
        app.service.away.clear()
        await wait_until(lambda: is_there("bad"), "the schedule to be declared")
