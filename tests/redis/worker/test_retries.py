"""How often a failed job runs again, at which place, and what is recorded of it."""

from __future__ import annotations

import pytest

from aiojobs_redis import Fixed, JobFailed, JobState, Queue, Worker, current_job
from tests.support.gauge import Gauge
from tests.support.waiting import wait_until


@pytest.mark.requirement("B7")
@pytest.mark.requirement("R10")
@pytest.mark.behaviour("T09")
@pytest.mark.parametrize("attempts", [1, 2, 4])
async def test_a_job_runs_as_often_as_it_has_attempts(queue: Queue, attempts: int) -> None:
    seen: list[int] = []

    @queue.task(attempts=attempts, backoff=Fixed(0))
    async def failing() -> None:
        seen.append(current_job().attempt)
        raise ValueError(f"number {len(seen)}")

    job = await failing.enqueue()
    await Worker(queue).run(burst=True)

    assert seen == list(range(1, attempts + 1))
    info = await job.info()
    assert info is not None
    assert (info.state, info.attempt) == (JobState.DEAD, attempts)
    assert [error.attempt for error in info.errors] == seen
    assert [error.message for error in info.errors] == [f"number {n}" for n in seen]
    with pytest.raises(JobFailed) as caught:
        await job.result(5)
    assert (caught.value.error_type, caught.value.message) == ("ValueError", f"number {attempts}")
    assert "raise ValueError" in caught.value.traceback


@pytest.mark.behaviour("T09")
async def test_a_success_on_the_last_attempt_is_a_success(queue: Queue) -> None:
    @queue.task(attempts=3, backoff=Fixed(0))
    async def late() -> int:
        if current_job().attempt < 3:
            raise ValueError("not yet")
        return current_job().attempt

    job = await late.enqueue()
    await Worker(queue).run(burst=True)

    info = await job.info()
    assert info is not None
    assert await job.result(5) == 3
    assert (info.state, info.attempt, len(info.errors)) == (JobState.COMPLETED, 3, 2)
    assert (await queue.counts()).dead == 0


@pytest.mark.requirement("B7")
async def test_three_attempts_are_the_default(queue: Queue) -> None:
    @queue.task(backoff=Fixed(0))
    async def failing() -> None:
        raise ValueError("as planned")

    job = await failing.enqueue()
    await Worker(queue).run(burst=True)

    info = await job.info()
    assert info is not None
    assert info.attempt == 3


@pytest.mark.requirement("B2")
async def test_attempts_and_backoff_of_a_job_win_over_those_of_its_task(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(3600))
    async def failing() -> None:
        raise ValueError("as planned")

    job = await failing.options(attempts=5, backoff=Fixed(0)).enqueue()
    await Worker(queue).run(burst=True)

    info = await job.info()
    assert info is not None
    assert (info.state, info.attempt) == (JobState.DEAD, 5)


@pytest.mark.requirement("R11")
@pytest.mark.requirement("R5")
async def test_the_last_error_is_visible_while_the_job_waits(queue: Queue) -> None:
    @queue.task(backoff=Fixed(3600))
    async def failing() -> None:
        raise KeyError("the cause")

    job = await failing.enqueue()
    async with Worker(queue):
        await wait_until(lambda: _is(queue, job.id, JobState.RETRYING), "the job to wait")

    info = await job.info()
    assert info is not None
    assert (info.attempt, info.errors[-1].type) == (2, "KeyError")
    assert "the cause" in info.errors[-1].message
    assert (await queue.counts()).retrying == 1


@pytest.mark.behaviour("T13")
async def test_a_retried_job_keeps_its_priority(queue: Queue) -> None:
    order: list[str] = []

    @queue.task(attempts=2, backoff=Fixed(0))
    async def named(name: str) -> None:
        order.append(name)
        if current_job().attempt == 1 and name == "high":
            raise ValueError("once")

    for name, priority in (("low", 0), ("middle", 5), ("high", 9), ("low 2", 0)):
        await named.options(priority=priority).enqueue(name)
    await Worker(queue, concurrency=1).run(burst=True)

    assert order == ["high", "high", "middle", "low", "low 2"]


@pytest.mark.behaviour("T11")
@pytest.mark.parametrize("backoff", [Fixed(0), [0], lambda *_: 0], ids=["fixed", "list", "call"])
async def test_no_back_off_goes_to_the_tail_of_its_priority(queue: Queue, backoff: Fixed) -> None:
    order: list[str] = []

    @queue.task(attempts=2, backoff=backoff)
    async def named(name: str) -> None:
        order.append(name)
        if current_job().attempt == 1 and name == "failing":
            raise ValueError("once")

    for name, priority in (("failing", 1), ("peer", 1), ("peer 2", 1), ("low", 0)):
        await named.options(priority=priority).enqueue(name)
    await Worker(queue, concurrency=1).run(burst=True)

    assert order == ["failing", "peer", "peer 2", "failing", "low"]


@pytest.mark.behaviour("T13")
async def test_a_due_retry_goes_before_what_ranks_below_it(queue: Queue) -> None:
    gauge, order = Gauge(), list[str]()

    @queue.task(attempts=2, backoff=Fixed(0.05))
    async def named(name: str) -> None:
        order.append(name)
        if name == "blocker":
            await gauge.pass_through()
        if name == "high" and current_job().attempt == 1:
            raise ValueError("once")

    async with Worker(queue, concurrency=1):
        high = await named.options(priority=9).enqueue("high")
        await named.options(priority=5).enqueue("blocker")
        await wait_until(lambda: gauge.now == 1, "the blocker to run")
        await queue.enqueue_many([named.options(priority=4).bind(f"low {n}") for n in range(3)])
        await wait_until(lambda: _is(queue, high.id, JobState.QUEUED), "the retry to be due")
        gauge.open()
        await wait_until(lambda: len(order) == 6, "all to run")

    assert order == ["high", "blocker", "high", "low 0", "low 1", "low 2"]


@pytest.mark.behaviour("T05")
async def test_the_history_keeps_the_last_ten_errors(queue: Queue) -> None:
    @queue.task(attempts=14, backoff=Fixed(0))
    async def failing() -> None:
        raise ValueError(f"number {current_job().attempt}")

    job = await failing.enqueue()
    await Worker(queue).run(burst=True)

    info = await job.info()
    assert info is not None
    assert [error.attempt for error in info.errors] == list(range(5, 15))


@pytest.mark.requirement("B22")
@pytest.mark.requirement("D17")
@pytest.mark.behaviour("T12")
async def test_an_error_of_fail_on_ends_the_job_at_once(queue: Queue) -> None:
    @queue.task(attempts=5, backoff=Fixed(0), fail_on=(KeyError, LookupError))
    async def failing(kind: str) -> None:
        raise {"key": KeyError, "index": IndexError, "value": ValueError}[kind]("as planned")

    jobs = {kind: await failing.enqueue(kind) for kind in ("key", "index", "value")}
    await Worker(queue).run(burst=True)

    infos = {kind: await job.info() for kind, job in jobs.items()}
    assert {kind: info.attempt for kind, info in infos.items() if info} == {
        "key": 1,
        "index": 1,
        "value": 5,
    }


@pytest.mark.requirement("B23")
@pytest.mark.requirement("D17")
async def test_an_error_outside_retry_on_ends_the_job_at_once(queue: Queue) -> None:
    def is_passing(error: BaseException) -> bool:
        return "again" in str(error)

    @queue.task(attempts=4, backoff=Fixed(0), retry_on=is_passing)
    async def failing(text: str) -> None:
        raise ValueError(text)

    passing, lasting = await failing.enqueue("try again"), await failing.enqueue("no way")
    await Worker(queue).run(burst=True)

    infos = [await passing.info(), await lasting.info()]
    assert [info.attempt for info in infos if info] == [4, 1]


@pytest.mark.requirement("B23")
@pytest.mark.parametrize("option", ["retry_on", "fail_on"])
@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit], ids=["error", "exit"])
async def test_a_predicate_that_raises_harms_only_its_own_job(
    queue: Queue, option: str, error: type[BaseException]
) -> None:
    def broken(_: BaseException) -> bool:
        raise error("in the predicate")

    judge = queue.task(attempts=2, backoff=Fixed(0), **{option: broken})  # type: ignore[call-overload]

    @judge  # type: ignore[untyped-decorator]
    async def failing() -> None:
        raise ValueError("as planned")

    @queue.task
    async def sound() -> str:
        return "fine"

    async with Worker(queue, concurrency=1):
        job, other = await failing.enqueue(), await sound.enqueue()
        assert await other.result(10) == "fine"
        with pytest.raises(JobFailed, match="ValueError"):
            await job.result(10)


async def _is(queue: Queue, id: str, state: JobState) -> bool:
    return await queue.job(id).state() is state
