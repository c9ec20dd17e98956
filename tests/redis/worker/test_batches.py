"""Batch tasks: one call for many jobs, and an outcome of its own for each of them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    Cancel,
    ConfigInvalid,
    Depends,
    Fail,
    Fixed,
    JobCancelled,
    JobContext,
    JobFailed,
    JobOptions,
    JobState,
    Queue,
    Retry,
    Snooze,
    Worker,
    current_job,
    current_jobs,
)
from tests.support.waiting import wait_until

LONG = 30.0


async def test_jobs_that_come_together_share_a_call(queue: Queue) -> None:
    calls: list[list[int]] = []

    @queue.batch_task(size=4, wait=0.5)
    async def double(numbers: list[int]) -> list[int]:
        calls.append(numbers)
        return [2 * number for number in numbers]

    jobs = await queue.enqueue_many([double.bind(number) for number in range(10)])
    async with Worker(queue, concurrency=20):
        assert [await job.result(LONG) for job in jobs] == [2 * number for number in range(10)]

    assert sorted(number for call in calls for number in call) == list(range(10))
    assert max(map(len, calls)) <= 4
    assert len(calls) < 6


async def test_a_worker_that_stops_lets_no_job_wait_for_company(queue: Queue) -> None:
    @queue.batch_task(size=3, wait=60)
    async def count(items: list[str]) -> list[int]:
        return [len(items)] * len(items)

    first = await count.enqueue("x")
    worker = Worker(queue, grace=LONG)
    async with worker:
        await wait_until(lambda: worker.runs(), "it to wait for company", LONG)
    assert await first.result(1) == 1


async def test_a_full_batch_does_not_wait(queue: Queue) -> None:
    calls: list[int] = []

    @queue.batch_task(size=3, wait=60)
    async def count(items: list[str]) -> None:
        calls.append(len(items))

    jobs = await queue.enqueue_many([count.bind("x")] * 6)
    async with Worker(queue, concurrency=50):
        for job in jobs:
            assert await job.result(LONG) is None

    assert calls == [3, 3]


async def test_a_batch_waits_for_no_more_than_the_worker_has_slots(queue: Queue) -> None:
    calls: list[int] = []

    @queue.batch_task(size=100, wait=60)
    async def count(items: list[str]) -> None:
        calls.append(len(items))

    jobs = await queue.enqueue_many([count.bind("x")] * 4)
    async with Worker(queue, concurrency=2):
        for job in jobs:
            await job.result(LONG)

    assert calls == [2, 2]


async def test_a_job_that_comes_alone_waits_only_so_long(queue: Queue) -> None:
    @queue.batch_task(size=100, wait=0.05)
    async def count(items: list[str]) -> list[int]:
        return [len(items)] * len(items)

    async with Worker(queue, concurrency=10):
        assert await (await count.enqueue("x")).result(LONG) == 1


async def test_each_job_has_an_outcome_of_its_own(queue: Queue) -> None:
    outcomes: dict[str, int | Exception] = {
        "value": 7,
        "error": ValueError("bad"),
        "fail": Fail("no use"),
        "cancel": Cancel("not wanted"),
        "snooze": Snooze(delay=3600),
        "retry": Retry(delay=3600, reason="later"),
    }

    @queue.batch_task(size=6, wait=60, attempts=2, backoff=Fixed(3600))
    async def work(names: list[str]) -> list[int | Exception]:
        return [outcomes[name] for name in names]

    ids = list(outcomes)
    await queue.enqueue_many([work.options(id=name).bind(name) for name in ids])
    async with Worker(queue, concurrency=10):
        assert await queue.job("value").result(LONG) == 7
        await wait_until(lambda: nothing_runs(queue), "all outcomes to be recorded", LONG)

    assert await queue.states(ids) == {
        "value": JobState.COMPLETED,
        "error": JobState.RETRYING,
        "fail": JobState.DEAD,
        "cancel": JobState.CANCELLED,
        "snooze": JobState.SCHEDULED,
        "retry": JobState.RETRYING,
    }
    infos = {info.id: info for info in await queue.infos(ids)}
    assert infos["error"].errors[0].message == "bad"
    assert {name: info.attempt for name, info in infos.items() if info.attempt > 1} == {
        "error": 2,
        "retry": 2,
    }


async def nothing_runs(queue: Queue) -> bool:
    return not (await queue.counts()).running


@pytest.mark.requirement("U13")
async def test_what_is_raised_is_the_outcome_of_all(queue: Queue) -> None:
    @queue.batch_task(size=3, wait=60, attempts=1)
    async def broken(items: list[int]) -> list[int]:
        raise ZeroDivisionError("all of them")

    jobs = await queue.enqueue_many([broken.bind(number) for number in range(3)])
    async with Worker(queue):
        for job in jobs:
            with pytest.raises(JobFailed, match="ZeroDivisionError: all of them") as caught:
                await job.result(LONG)
            assert "in broken" in caught.value.traceback
            assert "aiojobs_redis/worker" not in caught.value.traceback


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ([1], "was given 2 jobs and returned 1 results"),
        (5, "must return a list with one result a job, or None; it returned int"),
    ],
)
async def test_an_answer_that_does_not_fit_fails_all(queue: Queue, wrong: Any, text: str) -> None:
    @queue.batch_task(size=2, wait=60, attempts=1)
    async def misfit(items: list[int]) -> Any:
        return wrong

    jobs = await queue.enqueue_many([misfit.bind(number) for number in range(2)])
    async with Worker(queue):
        for job in jobs:
            with pytest.raises(JobFailed, match=text):
                await job.result(LONG)


async def test_each_result_is_checked_by_itself(queue: Queue) -> None:
    @queue.batch_task(size=2, wait=60, attempts=1)
    async def odd(items: list[int]) -> list[int]:
        texts: Any = [item if item else "text" for item in items]
        return list(texts)

    wrong, right = await queue.enqueue_many([odd.bind(0), odd.bind(1)])
    async with Worker(queue):
        assert await right.result(LONG) == 1
        with pytest.raises(JobFailed, match="must return int"):
            await wrong.result(LONG)


async def test_a_plain_function_gets_its_batch_in_a_thread(queue: Queue) -> None:
    @queue.batch_task(size=3, wait=60)
    def where(items: list[int]) -> Sequence[str]:
        name = threading.current_thread().name
        return tuple(f"{name} {job.attempt}" for job in current_jobs())

    jobs = await queue.enqueue_many([where.bind(number) for number in range(3)])
    async with Worker(queue):
        answers = {await job.result(LONG) for job in jobs}

    assert len(answers) == 1
    assert threading.main_thread().name not in answers.pop()


@pytest.mark.requirement("D30")
async def test_a_batch_knows_its_jobs(queue: Queue) -> None:
    @queue.batch_task(size=2, wait=60)
    async def ask(items: list[int]) -> list[str]:
        with pytest.raises(RuntimeError, match="current_jobs"):
            current_job()
        return [job.id for job in current_jobs()]

    @queue.task
    async def single() -> list[str]:
        return [job.id for job in current_jobs()]

    jobs = await queue.enqueue_many([ask.bind(number) for number in range(2)])
    async with Worker(queue):
        assert [await job.result(LONG) for job in jobs] == [job.id for job in jobs]
        alone = await single.enqueue()
        assert await alone.result(LONG) == [alone.id]


@pytest.mark.requirement("B10")
async def test_a_timeout_ends_the_call_and_counts_from_its_begin(queue: Queue) -> None:
    ended: list[str] = []

    # The wait of a batch that does not fill up is longer than the timeout.
    @queue.batch_task(size=3, wait=0.6, timeout=0.3, attempts=1)
    async def slow(items: list[int]) -> None:
        try:
            await asyncio.sleep(60 if items[0] else 0)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async with Worker(queue):
        alone = await slow.enqueue(0)
        await alone.result(LONG)
        jobs = await queue.enqueue_many([slow.bind(1)] * 2)
        for job in jobs:
            with pytest.raises(JobFailed, match=r"TimeoutError: the attempt ran longer than 0\.3"):
                await job.result(LONG)

    assert ended == ["cancelled"]


@pytest.mark.requirement("P10")
async def test_one_that_is_cancelled_leaves_the_others_alone(queue: Queue) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @queue.batch_task(size=2, wait=60)
    async def hold(items: list[int]) -> list[int]:
        begun.set()
        await go_on.wait()
        return [int(job.cancelled) for job in current_jobs()]

    first, second = await queue.enqueue_many([hold.bind(1), hold.bind(2)])
    async with Worker(queue):
        await asyncio.wait_for(begun.wait(), LONG)
        assert await first.cancel()
        with pytest.raises(JobCancelled):
            await first.result(LONG)
        go_on.set()
        assert await second.result(LONG) == 0


@pytest.mark.requirement("P10")
async def test_one_that_is_cancelled_while_it_waits_is_not_in_the_call(queue: Queue) -> None:
    @queue.batch_task(size=3, wait=60)
    async def collect(items: list[int]) -> list[int]:
        return [len(items)] * len(items)

    async with Worker(queue):
        gone = await collect.enqueue(0)
        await wait_until(lambda: is_running(queue, gone.id), "the job to wait for company")
        assert await gone.cancel()
        with pytest.raises(JobCancelled):
            await gone.result(LONG)
        jobs = await queue.enqueue_many([collect.bind(number) for number in range(3)])
        assert [await job.result(LONG) for job in jobs] == [3, 3, 3]


async def is_running(queue: Queue, id: str) -> bool:
    return (await queue.states([id]))[id] is JobState.RUNNING


@pytest.mark.requirement("B27")
@pytest.mark.parametrize("waiting", [True, False])
async def test_a_stop_hands_all_of_them_back(queue: Queue, waiting: bool) -> None:
    begun, unwound = asyncio.Event(), asyncio.Event()

    @queue.batch_task(size=5 if waiting else 2, wait=60)
    async def hold(items: list[int]) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            unwound.set()

    jobs = await queue.enqueue_many([hold.bind(1), hold.bind(2)])
    worker = Worker(queue)
    work = asyncio.create_task(worker.run())
    if waiting:
        await wait_until(lambda: both_run(queue), "both to wait for company", LONG)
    else:
        await asyncio.wait_for(begun.wait(), LONG)
    worker.stop(grace=0)
    await work

    assert unwound.is_set() is not waiting
    for info in await queue.infos([job.id for job in jobs]):
        assert (info.state, info.attempt, info.lost_deliveries) == (JobState.QUEUED, 1, 0)


async def both_run(queue: Queue) -> bool:
    return (await queue.counts()).running == 2


async def test_retried_jobs_come_in_another_batch(queue: Queue) -> None:
    @queue.batch_task(size=2, wait=0.05, backoff=Fixed(0))
    async def flaky(items: list[int]) -> list[int | Exception]:
        return [
            ValueError("once") if job.attempt == 1 and item else job.attempt
            for job, item in zip(current_jobs(), items, strict=True)
        ]

    jobs = await queue.enqueue_many([flaky.bind(number) for number in range(4)])
    async with Worker(queue):
        assert [await job.result(LONG) for job in jobs] == [1, 2, 2, 2]


@pytest.mark.parametrize("returned", [False, True])
async def test_one_error_of_many_jobs_is_told_as_briefly_for_each(
    queue: Queue, returned: bool
) -> None:
    shared = ConnectionError("the service is away")

    @queue.batch_task(size=20, wait=60, attempts=1)
    async def load(rows: list[int]) -> list[Exception]:
        if returned:
            return [shared] * len(rows)
        raise shared

    async def around(job: JobContext, call_next: Any) -> Any:
        return await call_next(job)

    jobs = await queue.enqueue_many([load.bind(number) for number in range(20)])
    async with Worker(queue, concurrency=20, middleware=[around]):
        for job in jobs:
            with pytest.raises(JobFailed, match="the service is away"):
                await job.result(LONG)

    told = [info.errors[-1].traceback for info in await queue.infos([job.id for job in jobs])]
    # Each raise of the one object adds frames to those that are there.
    assert len(set(told)) == 1
    assert (", in load\n" in told[0]) is not returned


@pytest.mark.requirement("D8")
@pytest.mark.parametrize("executor", ["async", "thread"])
async def test_a_generator_exit_ends_every_job_of_the_call(queue: Queue, executor: str) -> None:
    def leave(rows: list[int]) -> None:
        raise GeneratorExit

    async def leave_later(rows: list[int]) -> None:
        raise GeneratorExit

    function: Any = leave if executor == "thread" else leave_later
    task = queue.batch_task(size=2, wait=60, attempts=1, name="leave")(function)
    jobs = await queue.enqueue_many([task.bind(number) for number in range(2)])
    async with Worker(queue, concurrency=2, grace=0) as worker:
        for job in jobs:
            with pytest.raises(JobFailed, match="GeneratorExit"):
                await job.result(10)
        assert worker.runs() == []


class Pool:
    """What a lifespan yields."""


async def test_what_is_asked_for_is_filled_in_once_a_call(queue: Queue) -> None:
    pool, opened, around = Pool(), 0, Counter[str]()

    async def session(pool: Pool = Depends()) -> AsyncIterator[Pool]:
        nonlocal opened
        opened += 1
        yield pool

    @queue.batch_task(size=3, wait=60)
    async def store(rows: list[int], *, own: Pool = Depends(session)) -> list[bool]:
        return [own is pool] * len(rows)

    @contextlib.asynccontextmanager
    async def lifespan(_: Worker) -> AsyncIterator[Pool]:
        yield pool

    async def count(job: JobContext, call_next: Any) -> Any:
        around["begun"] += 1
        result = await call_next(job)
        around["ended"] += 1
        return result

    jobs = await queue.enqueue_many([store.bind(number) for number in range(3)])
    async with Worker(queue, lifespan=lifespan, middleware=[count]):
        assert [await job.result(LONG) for job in jobs] == [True] * 3

    assert opened == 1
    # Middleware is around each job, as for any other task.
    assert around == {"begun": 3, "ended": 3}


def in_memory() -> Queue:
    return Queue("x", "memory://x")


async def test_arguments_are_those_of_one_item(queue: Queue) -> None:
    @queue.batch_task(size=2)
    async def index(texts: list[str]) -> None: ...

    with pytest.raises(ArgumentsInvalid, match="texts"):
        await index.enqueue(5)  # type: ignore[arg-type]
    with pytest.raises(ArgumentsInvalid, match="missing texts"):
        await queue.enqueue(index)
    function: Any = index.function
    assert await function(["a", "b"]) is None


@pytest.mark.parametrize(
    ("register", "text"),
    [
        (lambda q: q.batch_task(size=0), "size must be a whole number from 1 to 10000, got 0"),
        (lambda q: q.batch_task(size=True), "size must be"),
        (lambda q: q.batch_task(size=2, wait=61), "wait must be at most 60 s, got 61 s"),
        (lambda q: q.batch_task(size=2, wait=-1), "wait"),
    ],
)
def test_numbers_are_checked(register: Callable[[Queue], Any], text: str) -> None:
    with pytest.raises(ConfigInvalid, match=text):
        register(in_memory())


def test_the_shape_of_the_function_is_checked() -> None:
    def two(items: list[int], more: int) -> None: ...
    def no_list(item: int) -> None: ...
    def named(*, items: list[int]) -> None: ...
    def one_result(items: list[int]) -> int: ...  # type: ignore[empty-body]

    wrong: list[tuple[Any, str]] = [
        (two, "must take one argument, the list of what its jobs were given; it takes items, more"),
        (no_list, "'item' must be annotated as a list, got int"),
        (named, "must take one argument"),
        (one_result, "must return a list with one item a job, or None; it is annotated int"),
    ]
    for function, text in wrong:
        with pytest.raises(ConfigInvalid, match=text):
            in_memory().batch_task(size=2)(function)


def test_a_batch_does_not_run_in_a_process() -> None:
    def work(items: list[int]) -> None: ...

    with pytest.raises(ConfigInvalid, match="executor='process' runs one job at a time"):
        in_memory().batch_task(size=2, executor="process")(work)
    queue = Queue("x", "memory://x", defaults=JobOptions(executor="process"))
    with pytest.raises(ConfigInvalid, match="executor='process' runs one job at a time"):
        queue.batch_task(size=2)(work)
