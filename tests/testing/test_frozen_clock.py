"""The time of in-memory servers stands still, and goes on when a test says so."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Fixed,
    JobState,
    Queue,
    Snooze,
    Unique,
    Worker,
)
from aiojobs_redis._redis.memory import memory_server
from aiojobs_redis.testing import FrozenClock, failing, inline, run_until_idle
from tests.support.waiting import wait_until


async def test_a_delayed_job_runs_once_its_time_has_come(memory_queue: Queue) -> None:
    runs = list[str]()

    @memory_queue.task
    async def remind(name: str) -> None:
        runs.append(name)

    with FrozenClock(memory_queue) as clock:
        start = clock.now()
        job = await remind.options(delay=3600).enqueue("Ada")
        await remind.options(at=start + timedelta(days=2)).enqueue("Bob")
        clock.advance(minutes=59, seconds=59)
        await run_until_idle(memory_queue)
        assert runs == []
        clock.advance(1)
        await run_until_idle(memory_queue)
        assert runs == ["Ada"]
        info = await job.info()
        assert info is not None
        assert info.finished_at == clock.now() == start + timedelta(hours=1)
        clock.advance(timedelta(days=2))
        await run_until_idle(memory_queue)
        assert runs == ["Ada", "Bob"]


async def test_inline_queues_go_by_it(memory_queue: Queue) -> None:
    queue = Queue("app", "redis://127.0.0.1:1")

    @queue.task
    async def remind() -> None: ...

    async with FrozenClock() as clock, inline(queue):
        job = await remind.options(delay=60).enqueue()
        assert await job.state() is JobState.SCHEDULED
        clock.advance(minutes=1)
        await run_until_idle(queue)
        assert await job.state() is JobState.COMPLETED
    await queue.close()


async def test_retries_wait_for_their_back_off_where_that_is_wanted(memory_queue: Queue) -> None:
    @memory_queue.task(backoff=Fixed(60))
    async def fetch() -> None: ...

    with FrozenClock() as clock, failing(fetch, 2):
        job = await fetch.enqueue()
        await run_until_idle(memory_queue, retrying=False)
        assert await job.state() is JobState.RETRYING
        clock.advance(minutes=1)
        await run_until_idle(memory_queue, retrying=False)
        info = await job.info()
        assert info is not None
        assert (info.state, info.attempt) == (JobState.RETRYING, 3)
        # Otherwise they do not.
        await run_until_idle(memory_queue)
        assert await job.state() is JobState.COMPLETED


async def test_a_snooze_an_expiry_and_a_retention_go_by_it(memory_queue: Queue) -> None:
    runs = list[str]()

    @memory_queue.task(keep_result=3600)
    async def poll(name: str) -> None:
        runs.append(name)
        if runs == ["snoozed"]:
            raise Snooze(timedelta(hours=1))

    with FrozenClock() as clock:
        snoozed = await poll.enqueue("snoozed")
        await run_until_idle(memory_queue)
        await poll.options(expires=60, id="expired").enqueue("expired")
        clock.advance(hours=1)
        await run_until_idle(memory_queue)
        assert runs == ["snoozed", "snoozed"]
        assert await snoozed.state() is JobState.COMPLETED
        assert await memory_queue.job("expired").state() is JobState.DEAD
        clock.advance(hours=1, seconds=1)
        await run_until_idle(memory_queue)
        assert await snoozed.state() is None


async def test_the_window_of_a_unique_job_ends(memory_queue: Queue) -> None:
    @memory_queue.task(unique=Unique(window=600))
    async def report() -> None: ...

    with FrozenClock() as clock:
        assert (await report.enqueue()).created
        await run_until_idle(memory_queue)
        clock.advance(minutes=9)
        assert not (await report.enqueue()).created
        clock.advance(minutes=1)
        assert (await report.enqueue()).created


async def test_schedules_tick(memory_queue: Queue) -> None:
    ticks = list[datetime]()

    @memory_queue.cron("30 2 * * *", tz="Europe/Berlin")
    async def nightly() -> None:
        ticks.append(clock.now())

    # In the night to the 25th the clocks there go from 3:00 to 2:00.
    with FrozenClock(start=datetime(2026, 10, 23, 12, tzinfo=UTC)) as clock:
        await run_until_idle(memory_queue)
        assert ticks == []
        for _ in range(3):
            (schedule,) = await memory_queue.schedules()
            assert schedule.next_at is not None
            clock.advance(schedule.next_at - clock.now())
            await run_until_idle(memory_queue)
    assert [f"{tick:%d %H:%M}" for tick in ticks] == ["24 00:30", "25 00:30", "26 01:30"]


async def test_a_tick_is_late_where_the_time_jumps_over_it(memory_queue: Queue) -> None:
    @memory_queue.task
    async def ping() -> None: ...

    with FrozenClock() as clock:
        await memory_queue.schedule("last", ping.bind(), every=60)
        await memory_queue.schedule("all", ping.bind(), every=600, missed="all")
        clock.advance(hours=1)
        await run_until_idle(memory_queue)
        runs = {schedule.id: schedule.runs for schedule in await memory_queue.schedules()}
        assert runs == {"last": 1, "all": 6}


async def test_a_schedule_that_is_paused_is_left_alone(memory_queue: Queue) -> None:
    @memory_queue.task
    async def ping() -> None: ...

    with FrozenClock() as clock:
        await memory_queue.schedule("other", ping.bind(), every=60)
        await memory_queue.pause_schedule("other")
        clock.advance(hours=1)
        await run_until_idle(memory_queue)
        (schedule,) = await memory_queue.schedules()
        assert schedule.runs == 0


async def test_what_a_limit_holds_back_stays_queued(memory_queue: Queue) -> None:
    runs = list[int]()

    @memory_queue.task
    async def call(number: int) -> None:
        runs.append(number)

    await memory_queue.limit(rate=(2, 60))
    with FrozenClock() as clock:
        await memory_queue.enqueue_many([call.bind(number) for number in range(5)])
        for expected in (2, 4, 5):
            async with asyncio.timeout(20):
                await run_until_idle(memory_queue)
            assert len(runs) == expected
            # Starts are counted by the 64th of a window, and each of these as a whole.
            clock.advance(61)


async def test_a_worker_that_runs_meanwhile_sees_it(memory_queue: Queue) -> None:
    @memory_queue.task
    async def remind() -> None: ...

    with FrozenClock() as clock:
        async with Worker(memory_queue):
            job = await remind.options(delay=3600).enqueue()
            clock.advance(hours=1)

            async def completed() -> bool:
                return await job.state() is JobState.COMPLETED

            await wait_until(completed, "the job to run")


async def test_the_time_goes_on_behind_the_block(memory_queue: Queue) -> None:
    planner = memory_queue.planner()
    with FrozenClock() as clock:
        clock.advance(days=365)
        assert await planner.now() == round(clock.now().timestamp() * 1000)
        assert await planner.now() > time.time() * 1000 + 300 * 86_400_000
    assert abs(await planner.now() - time.time() * 1000) < 60_000


def test_there_is_one_time(memory_queue: Queue) -> None:
    with (
        FrozenClock(),
        pytest.raises(ConfigInvalid, match="in force already"),
        FrozenClock(),
    ):
        pass
    clock = FrozenClock()
    with pytest.raises(ConfigInvalid, match="not in force"):
        clock.advance(1)
    with clock:
        clock.advance(1)


async def test_a_real_server_is_refused(real_queue: Queue, memory_queue: Queue) -> None:
    with pytest.raises(ConfigInvalid, match=r"whose clock nobody can set.*memory://"):
        FrozenClock(memory_queue, real_queue)
    with FrozenClock(), pytest.raises(ConfigInvalid, match="run_until_idle: queue"):
        await run_until_idle(real_queue)
    await run_until_idle(real_queue)


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="aware datetime"):
        FrozenClock(start=datetime(2026, 1, 1))
    with pytest.raises(ConfigInvalid, match="takes queues"):
        FrozenClock(datetime.now(UTC))  # type: ignore[arg-type]
    with FrozenClock(start=datetime(2026, 1, 1, tzinfo=UTC)) as clock:
        for wrong in ((), (-1,), ("1 h",), (float("nan"),), (1e20,)):
            with pytest.raises(ConfigInvalid):
                clock.advance(*wrong)
        for parts in ({"hours": -1}, {"fortnights": 1}, {"hours": "1"}, {"days": 1e12}):
            with pytest.raises(ConfigInvalid):
                clock.advance(**parts)
        with pytest.raises(ConfigInvalid):
            clock.advance(1, hours=1)
        assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_clock_is_made_without_a_server() -> None:
    name = f"test-{uuid.uuid4().hex}"
    with FrozenClock():
        assert memory_server(name).dbs == {}
