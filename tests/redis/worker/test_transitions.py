"""One log record and one call of each observer a step of a job's life, with its fields."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from typing import Any

import pytest

from aiojobs_redis import (
    Cancel,
    ConfigInvalid,
    Fail,
    Fixed,
    Job,
    JobState,
    Queue,
    Snooze,
    Throttle,
    Transition,
    Worker,
    current_job,
)
from aiojobs_redis.cli.logs import JsonFormatter
from tests.support.raw import raw
from tests.support.scripts import Scripts
from tests.support.waiting import wait_until

SECRET = "hunter2-in-an-argument"


def of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the records of transitions."""
    return [record for record in caplog.records if hasattr(record, "transition")]


def steps(records: list[logging.LogRecord], job: Job[Any]) -> list[tuple[str, str]]:
    """Return the steps of a job with the states behind them."""
    return [
        (vars(record)["transition"], vars(record)["state"])
        for record in records
        if vars(record)["job_id"] == job.id
    ]


@pytest.mark.requirement("B39")
async def test_each_step_of_a_job_is_one_record(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiojobs_redis")
    asked: list[str] = []
    told: list[Transition] = []

    @queue.task(attempts=2, backoff=Fixed(0))
    async def work(how: str, secret: str) -> str:
        job = current_job()
        if how == "retry" and job.attempt == 1:
            raise ValueError(secret)
        if how == "dead":
            raise KeyError(secret)
        if how == "cancel":
            raise Cancel(secret)
        if how in {"snooze", "throttle"} and how not in asked:
            asked.append(how)
            raise Snooze(0.01) if how == "snooze" else Throttle(0.01, scope="key")
        return secret

    ways = ("return", "retry", "dead", "cancel", "snooze", "throttle")
    sent = {way: work.options(headers={"token": SECRET}) for way in ways}
    sent["throttle"] = sent["throttle"].options(key="tenant")
    jobs = {way: await task.enqueue(way, SECRET) for way, task in sent.items()}
    parked = await queue.enqueue("unknown", SECRET)
    wrong = await queue.enqueue("work", 17)
    async with Worker(queue, observers=[told.append]):
        for way in ("return", "retry", "snooze", "throttle"):
            await jobs[way].result(20)
        await wait_until(lambda: len(of(caplog)) >= 23, "all to be told", 20)

    records = of(caplog)
    begins = ("started", "running")
    completed = ("completed", "completed")
    assert {way: steps(records, job) for way, job in jobs.items()} == {
        "return": [begins, completed],
        "retry": [begins, ("retrying", "queued"), begins, completed],
        "dead": [begins, ("retrying", "queued"), begins, ("dead", "dead")],
        "cancel": [begins, ("cancelled", "cancelled")],
        "snooze": [begins, ("snoozed", "scheduled"), begins, completed],
        "throttle": [begins, ("throttled", "queued"), begins, completed],
    }
    assert steps(records, parked) == [("parked", "blocked")]
    assert steps(records, wrong) == [begins, ("dead", "dead")]
    assert Counter(t.type for t in told) == Counter(vars(r)["transition"] for r in records)
    text = json.dumps([JsonFormatter().format(record) for record in caplog.records])
    assert SECRET not in text


async def test_the_fields_of_a_record_are_those_of_the_documentation(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiojobs_redis")

    @queue.task(attempts=2, backoff=Fixed(0))
    async def work() -> None:
        await asyncio.sleep(0.02)
        if current_job().attempt == 1:
            raise ValueError

    job = await work.enqueue()
    worker = Worker(queue)
    await worker.run(burst=True)

    lines = [json.loads(JsonFormatter().format(record)) for record in of(caplog)]
    first, retrying, _, completed = lines
    assert {line["logger"] for line in lines} == {"aiojobs_redis.jobs"}
    for line, attempt in ((first, 1), (retrying, 1), (completed, 2)):
        fields = {name: line[name] for name in ("job_id", "task", "queue", "worker", "attempt")}
        assert fields == {
            **{"job_id": job.id, "task": "work", "queue": queue.name},
            **{"worker": worker.id, "attempt": attempt},
        }
    assert first["queue_ms"] >= 0
    assert "duration_ms" not in first
    assert retrying["error_type"] == "ValueError"
    assert retrying["duration_ms"] >= 19
    assert completed["duration_ms"] >= 19
    assert "error_type" not in completed


@pytest.mark.requirement("B39")
async def test_a_lost_lease_is_told_once_by_who_finds_it(
    queue: Queue, other: Scripts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiojobs_redis")
    ran: list[str] = []

    @queue.task(lease=0.5)
    async def work() -> None:
        ran.append(current_job().id)

    job = await work.enqueue()
    await other.exchange(limit=1)
    async with Worker(queue):
        await wait_until(lambda: ran, "the job to be recovered", 20)
        await job.result(10)
        await wait_until(lambda: len(of(caplog)) >= 3, "all to be told")

    assert steps(of(caplog), job) == [
        ("recovered", "queued"),
        ("started", "running"),
        ("completed", "completed"),
    ]


async def test_what_died_without_an_attempt_is_told(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    @queue.task
    async def work() -> None:
        pass

    await queue.pause()
    job = await work.options(expires=0.01).enqueue()
    seconds, micros = map(int, await raw(queue, "TIME"))

    async def expired() -> bool:
        now, more = map(int, await raw(queue, "TIME"))
        return (now - seconds) * 1000 + (more - micros) / 1000 > 10

    await wait_until(expired, "the job to expire by the clock of the server")
    await queue.resume()
    with caplog.at_level(logging.WARNING, "aiojobs_redis"):
        await Worker(queue).run(burst=True)

    [record] = of(caplog)
    assert (steps([record], job), vars(record)["task"]) == ([("dead", "dead")], "?")


@pytest.mark.requirement("D19")
async def test_an_observer_is_told_of_each_dead_job_once_whatever_it_died_of(
    queue: Queue, other: Scripts
) -> None:
    told: list[Transition] = []

    @queue.task(lease=0.5, attempts=2, backoff=Fixed(0), max_deliveries=1)
    async def work(how: str) -> None:
        raise {"fail": Fail("no use"), "error": ValueError("twice")}[how]

    lost = await work.enqueue("lost")
    await other.exchange(limit=1)
    failed, wrong = await work.enqueue("fail"), await work.enqueue("error")
    dependent = await work.options(depends_on=[failed]).enqueue("never")
    last = await work.options(depends_on=[dependent]).enqueue("never")
    expired = await work.options(expires=0.001).enqueue("late")
    jobs = {job.id for job in (lost, failed, wrong, dependent, last, expired)}
    async with Worker(queue, observers=[told.append]):

        def dead() -> list[str]:
            return sorted(each.job_id for each in told if each.type == "dead")

        await wait_until(lambda: jobs <= {*dead()}, "all to be told", 20)

    assert dead() == sorted(jobs)


async def test_handed_back_and_ticked_jobs_are_told(queue: Queue) -> None:
    told: list[Transition] = []
    begun = asyncio.Event()

    @queue.task
    async def slow() -> None:
        begun.set()
        await asyncio.sleep(60)

    @queue.cron("* * * * * *")
    async def tick() -> None:
        pass

    await slow.enqueue()
    worker = Worker(queue, concurrency=2)
    worker.observe(told.append)
    running = asyncio.create_task(worker.run())
    await begun.wait()
    assert worker.is_running

    def ticked() -> list[Transition]:
        return [t for t in told if t.type == "enqueued"]

    await wait_until(ticked, "a tick", 20)
    worker.stop(grace=0)
    await running

    first = ticked()[0]
    assert (first.task, first.job_id.startswith("tick:")) == ("tick", True)
    assert first.waited is not None
    assert 0 <= first.waited < 20
    [back] = [t for t in told if t.task == "slow" and t.type != "started"]
    assert (back.type, back.state) == ("handed_back", JobState.QUEUED)
    assert not worker.is_running


async def test_an_observer_that_raises_harms_nobody(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Transition) -> None:
        raise RuntimeError("no")

    @queue.task
    async def work() -> int:
        return 1

    job = await work.enqueue()
    await Worker(queue, observers=[broken]).run(burst=True)

    assert await job.result(5) == 1
    assert f"an observer raised for job {job.id}" in caplog.text


def test_an_observer_has_to_be_callable(queue: Queue) -> None:
    with pytest.raises(ConfigInvalid, match="a list of callables"):
        Worker(queue, observers=print)  # type: ignore[arg-type]
    with pytest.raises(ConfigInvalid, match="callable of a Transition, got 17"):
        Worker(queue, observers=[17])  # type: ignore[list-item]


async def test_nobody_who_wants_to_know_costs_no_transition(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    module = "aiojobs_redis.worker.transitions.Transition"
    monkeypatch.setattr(module, lambda *a, **k: made.append(a))
    logging.getLogger("aiojobs_redis.jobs").setLevel(logging.WARNING)

    @queue.task
    async def work() -> int:
        return 1

    try:
        jobs = await queue.enqueue_many([work.bind() for _ in range(20)])
        await Worker(queue).run(burst=True)
    finally:
        logging.getLogger("aiojobs_redis.jobs").setLevel(logging.NOTSET)

    assert await jobs[-1].state() is JobState.COMPLETED
    assert made == []
