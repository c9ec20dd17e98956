"""Jobs are removed: one by its handle, those that wait by a drain, those of a state by a clean."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Fixed,
    Job,
    JobNotFound,
    JobState,
    JobStateError,
    Queue,
    Unique,
    Worker,
    check_history,
)
from tests.support.gauge import Gauge
from tests.support.waiting import wait_until


class Jobs:
    """A queue with one job in each state.

    Attributes:
        gauge: What the running one waits for.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.gauge = Gauge()
        gauge = self.gauge

        @queue.task(attempts=2, backoff=Fixed(3600))
        async def work(how: str) -> str:
            if how in ("dead", "retrying"):
                raise ValueError(how)
            if how == "running":
                await gauge.pass_through()
            return how

        self.work = work

    async def make(self) -> None:
        """Make the jobs; a worker has to run."""
        queue, work = self.queue, self.work
        await work.options(id="running").enqueue("running")
        await wait_until(lambda: self.gauge.now == 1, "it to run")
        await work.options(id="completed").enqueue("completed")
        await work.options(id="dead", attempts=1).enqueue("dead")
        await work.options(id="retrying").enqueue("retrying")
        await queue.enqueue("nobody_knows", id="blocked")
        for state in ("completed", "dead", "retrying", "blocked"):
            await wait_until(partial(self.has, state), f"one to be {state}")
        await queue.pause()
        await work.options(id="queued").enqueue("queued")
        await work.options(id="scheduled", delay=3600).enqueue("scheduled")
        await work.options(id="cancelled").enqueue("cancelled")
        await queue.job("cancelled").cancel()

    async def has(self, state: str) -> bool:
        return await self.queue.job(state).state() == state

    async def left(self) -> set[str]:
        """Return the states of the jobs that are there."""
        states = await self.queue.states(list(JobState))
        assert all(state in (None, id) for id, state in states.items())
        return {id for id, state in states.items() if state is not None}


@pytest.fixture
def jobs(queue: Queue) -> Jobs:
    """A queue to be filled with one job in each state."""
    return Jobs(queue)


@pytest.mark.requirement("U15", "B20")
async def test_a_job_in_any_state_but_running_is_removed(jobs: Jobs) -> None:
    queue = jobs.queue
    async with Worker(queue):
        await jobs.make()
        for state in JobState:
            job = queue.job(state)
            if state is JobState.RUNNING:
                before = await job.info()
                with pytest.raises(JobStateError, match=r"is running.*Nothing was changed"):
                    await job.remove()
                assert await job.info() == before
            else:
                await job.remove()
                assert await job.state() is None
                with pytest.raises(JobNotFound):
                    await job.remove()
        assert await jobs.left() == {"running"}
        jobs.gauge.open()
        assert await queue.job("running").result(10) == "running"
    await queue.job("running").remove()
    counts = await queue.counts()
    assert counts.unfinished + counts.completed + counts.dead + counts.cancelled == 0


async def test_whoever_waits_for_a_removed_job_is_told(queue: Queue) -> None:
    job = await queue.enqueue("nobody")
    waiting = asyncio.create_task(job.result())

    async def registered() -> bool:
        async with queue.store.server.borrow() as link:
            return bool(await link.call("HLEN", queue.store.keys["waiters"]))

    await wait_until(registered, "it to wait")
    await job.remove()
    with pytest.raises(JobNotFound, match="was removed"):
        await asyncio.wait_for(waiting, 5)


async def test_the_id_of_a_removed_job_is_free(queue: Queue) -> None:
    @queue.task
    async def double(number: int) -> int:
        return 2 * number

    job = await double.options(id="one").enqueue(1)
    await job.remove()
    again = await double.options(id="one").enqueue(2)
    assert again.created
    async with Worker(queue):
        assert await again.result(10) == 4


@pytest.mark.requirement("B29")
@pytest.mark.behaviour("T56")
@pytest.mark.parametrize("scheduled", [False, True])
async def test_a_drain_removes_what_waits_and_keeps_the_rest(jobs: Jobs, scheduled: bool) -> None:
    async with Worker(jobs.queue):
        await jobs.make()
        assert await jobs.queue.drain(scheduled=scheduled) == (4 if scheduled else 2)
        left = {"running", "completed", "dead", "cancelled"}
        assert await jobs.left() == (left if scheduled else left | {"scheduled", "retrying"})
        assert await jobs.queue.drain(scheduled=scheduled) == 0
        jobs.gauge.open()


@pytest.mark.behaviour("T56")
async def test_a_drain_takes_what_its_own_removals_let_go_on(queue: Queue) -> None:
    latest = Unique("k", on_conflict="follow")

    @queue.task(attempts=2, backoff=Fixed(3600), unique=latest)
    async def fail(number: int) -> None:
        raise ValueError(number)

    async with Worker(queue):
        first = await fail.enqueue(1)
        await wait_until(partial(_is, first, "retrying"), "the first one to fail")
    second = await fail.enqueue(2)
    assert await second.state() is JobState.BLOCKED

    assert await queue.drain(scheduled=True) == 2
    assert await queue.states([first.id, second.id]) == {first.id: None, second.id: None}


@pytest.mark.behaviour("T50", "T56")
async def test_a_drain_keeps_schedules(queue: Queue) -> None:
    await queue.schedule("nightly", queue.bind("report"), cron="0 0 * * *")
    await queue.trigger("nightly")
    assert await queue.drain(scheduled=True) == 1
    assert [schedule.id for schedule in await queue.schedules()] == ["nightly"]


async def test_a_drain_takes_more_than_a_page_and_spares_what_comes_later(queue: Queue) -> None:
    await queue.enqueue_many([queue.bind("nobody", priority=n % 3) for n in range(1203)])
    ask = queue.store.ask
    later = 0

    async def enqueue_meanwhile(name: str, *args: object, **options: object) -> object:
        nonlocal later
        if name == "remove":
            # Of a higher priority, so that it stands before what is to go.
            await queue.enqueue("later", priority=9)
            later += 1
        return await ask(name, *args, **options)  # type: ignore[arg-type]

    await _next_millisecond()
    queue.store.ask = enqueue_meanwhile  # type: ignore[method-assign]
    assert 1203 <= await queue.drain() <= 1204
    counts = await queue.counts()
    assert later - 1 <= counts.queued <= later
    assert {info.task for info in await queue.jobs("queued")} == {"later"}


async def test_a_drain_spares_what_falls_due_or_is_promoted_meanwhile(queue: Queue) -> None:
    waiting = await queue.enqueue_many([queue.bind("work") for _ in range(600)])
    past = [await queue.enqueue("work", delay=3600) for _ in range(2)]
    for job in past:
        await job.promote()
    await queue.pause()
    soon = [await queue.enqueue("later", delay=0.2) for _ in range(2)]
    far = await queue.enqueue("later", delay=3600)
    await _next_millisecond()

    async def become_queued() -> None:
        await far.promote()
        # Its leader looks for what is due; nothing starts.
        async with Worker(queue):
            await wait_until(partial(_all_queued, queue, [*soon, far]), "them to be queued")

    _at_first_removal(queue, become_queued)
    assert await queue.drain() == len(waiting) + len(past)
    assert await _all_queued(queue, [*soon, far])
    assert (await queue.counts()).queued == 3


async def test_a_drain_of_scheduled_jobs_too_takes_what_falls_due_meanwhile(queue: Queue) -> None:
    jobs = [await queue.enqueue("work", delay=3600) for _ in range(300)]
    await _next_millisecond()

    async def promote() -> None:
        await jobs[270].promote()

    _at_first_removal(queue, promote)
    assert await queue.drain(scheduled=True) == 300
    assert not any((await queue.states([job.id for job in jobs])).values())


async def test_a_drain_spares_what_was_started_and_handed_back_meanwhile(queue: Queue) -> None:
    await queue.enqueue_many([queue.bind("nobody") for _ in range(600)])
    job = await queue.enqueue("work", priority=9)
    await _next_millisecond()

    begun = asyncio.Event()

    @queue.task
    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def start_and_stop() -> None:
        async with Worker(queue, concurrency=1) as worker:
            await begun.wait()
            worker.stop(grace=0)
        assert await job.state() is JobState.QUEUED

    _at_first_removal(queue, start_and_stop)
    assert await queue.drain() == 600
    assert await job.state() is JobState.QUEUED


def _at_first_removal(queue: Queue, happens: Callable[[], Awaitable[None]]) -> None:
    """Let something happen once, before the first page goes."""
    ask = queue.store.ask

    async def asked(name: str, *args: object, **options: object) -> object:
        if name == "remove":
            queue.store.ask = ask  # type: ignore[method-assign]
            await happens()
        return await ask(name, *args, **options)  # type: ignore[arg-type]

    queue.store.ask = asked  # type: ignore[method-assign]


async def _next_millisecond() -> None:
    # What is added within the same millisecond as a drain begins is not later.
    began = time.monotonic()
    await wait_until(lambda: time.monotonic() > began + 0.002, "the next millisecond")


async def _all_queued(queue: Queue, jobs: list[Job[Any]]) -> bool:
    states = await queue.states([job.id for job in jobs])
    return set(states.values()) == {JobState.QUEUED}


async def test_a_drain_of_a_queue_at_work_takes_no_job_from_its_worker(
    real_queue: Queue, tmp_path: object
) -> None:
    ran: list[int] = []

    @real_queue.task
    async def work(number: int) -> None:
        ran.append(number)

    with real_queue.record_history(str(tmp_path)):
        jobs = await real_queue.enqueue_many([work.bind(number) for number in range(3000)])
        async with Worker(real_queue, concurrency=20):
            await wait_until(lambda: ran, "the first to run")
            removed = await real_queue.drain()
            await wait_until(lambda: _idle(real_queue), "the others to end", 20)
        states = await real_queue.states([job.id for job in jobs])

    gone = sum(state is None for state in states.values())
    assert gone == removed == 3000 - len(ran)
    assert removed > 0
    report = check_history(str(tmp_path))
    assert not report.violations, report


@pytest.mark.behaviour("T54")
@pytest.mark.parametrize("state", [s for s in JobState if s is not JobState.RUNNING])
async def test_a_clean_removes_the_jobs_of_one_state(jobs: Jobs, state: JobState) -> None:
    async with Worker(jobs.queue):
        await jobs.make()
        assert await jobs.queue.clean(state, older_than=60) == 0
        assert await jobs.queue.clean(state.value) == 1
        assert await jobs.left() == {*JobState} - {state}
        jobs.gauge.open()


@pytest.mark.behaviour("T54")
async def test_running_jobs_cannot_be_cleaned(jobs: Jobs) -> None:
    async with Worker(jobs.queue):
        await jobs.make()
        with pytest.raises(JobStateError, match="cancel them"):
            await jobs.queue.clean("running")
        assert await jobs.left() == {*JobState}
        jobs.gauge.open()


@pytest.mark.behaviour("T54")
async def test_a_clean_keeps_to_its_limit_and_takes_the_oldest(queue: Queue) -> None:
    jobs = await queue.enqueue_many([queue.bind("nobody") for _ in range(600)])
    assert await queue.clean("queued", limit=520) == 520
    assert [info.id for info in await queue.jobs("queued")] == [job.id for job in jobs[520:]]
    assert await queue.clean("queued", limit=520) == 80


async def test_a_clean_takes_only_what_is_old_enough(queue: Queue) -> None:
    await queue.enqueue_many([queue.bind("nobody") for _ in range(300)])
    began = time.monotonic()
    await wait_until(lambda: time.monotonic() > began + 1.1, "them to grow old")
    young = await queue.enqueue("nobody", priority=5)
    assert await queue.clean("queued", older_than=1, limit=40) == 40, "behind the young one"
    assert await queue.clean("queued", older_than=1) == 260
    assert [info.id for info in await queue.jobs("queued")] == [young.id]


@pytest.mark.behaviour("T54")
@pytest.mark.requirement("D18")
async def test_a_clean_by_task_and_error(queue: Queue) -> None:
    @queue.task(attempts=1)
    async def one(error: str) -> None:
        raise {"V": ValueError, "K": KeyError}[error](error)

    @queue.task(attempts=1)
    async def other(error: str) -> None:
        await one(error)

    calls: list[Callable[[str], object]] = [one.bind, other.bind]
    await queue.enqueue_many([bind(error) for bind in calls for error in "VK"])  # type: ignore[misc]
    await Worker(queue).run(burst=True)

    assert await queue.clean("dead", task="one", error="ValueError") == 1
    assert await queue.clean("dead", error="ValueError", limit=5) == 1
    left = {(info.task, info.errors[-1].type) for info in await queue.dead_letters()}
    assert left == {("one", "KeyError"), ("other", "KeyError")}
    assert await queue.clean("dead", task="nobody") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "finished"}, "there is no state 'finished'"),
        ({"state": "dead", "older_than": -1}, "older_than must be"),
        ({"state": "dead", "limit": 0}, "limit must be a whole number from 1"),
        ({"state": "dead", "limit": 1.5}, "limit must be a whole number from 1"),
    ],
)
async def test_a_clean_refuses_what_makes_no_sense(
    queue: Queue, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigInvalid, match=message):
        await queue.clean(**options)  # type: ignore[arg-type]


async def test_a_foreign_id_is_passed_over(queue: Queue, request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.corrupts)
    job = await queue.enqueue("nobody")
    async with queue.store.server.borrow() as link:
        await link.call("ZADD", queue.store.keys["ready"], "1", b"\xff\xfe")
    assert await queue.clean("queued") == 1
    assert await queue.drain() == 0
    assert await job.state() is None


async def _idle(queue: Queue) -> bool:
    counts = await queue.counts()
    return counts.unfinished == 0


async def _is(job: Job[None], state: str) -> bool:
    return await job.state() == state
