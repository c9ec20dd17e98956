"""Jobs of several queues that wait for each other in a circle: it is found, and ended."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import Any

import pytest

from aiojobs_redis import Job, JobState, Queue, QueueUnavailable, Worker
from aiojobs_redis._redis.circles import Circles
from aiojobs_redis._redis.store import Store
from tests.redis.worker.test_flows_across import give_tasks
from tests.support.raw import raw


@pytest.fixture
async def queues(
    queue: Queue, second_queue: Queue, server_url: str, queue_name: str
) -> AsyncIterator[list[Queue]]:
    """Three queues."""
    third = Queue(f"{queue_name}-3", url=server_url, namespace="test")
    for each in (queue, second_queue, third):
        give_tasks(each)
    yield [queue, second_queue, third]
    await third.destroy(force=True)
    await third.close()


async def replace(job: Job[Any], *parents: Job[Any], **options: Any) -> Job[Any]:
    """Enqueue another job under the id of one that nobody has run, before anybody is told.

    It comes a millisecond later than all that were there.
    """
    await job.remove()
    async with job.queue.store.server.borrow() as link:
        before = after = await link.call("TIME")
        while _ms(after) <= _ms(before):
            after = await link.call("TIME")
    return await job.queue.enqueue(
        "total", id=job.id, depends_on=parents, on_parent_failure="run", **options
    )


def _ms(time: Sequence[bytes]) -> int:
    return int(time[0]) * 1000 + int(time[1]) // 1000


async def let_wait(queues: Iterable[Queue], seconds: int = 61) -> None:
    """Let all that is blocked have waited for so long more."""
    for queue in queues:
        key = queue.store.keys["blocked"]
        for id in await raw(queue, "ZRANGE", key, 0, -1):
            await raw(queue, "ZINCRBY", key, -1000 * seconds, id)


async def look(queue: Queue, circles: Circles, now: float = 0) -> None:
    """Look as the leader of a queue does every few seconds."""
    await circles.look(queue.store, now, lambda *_: None)


async def look_from_all(queues: Sequence[Queue]) -> None:
    circles = [Circles() for _ in queues]
    for _ in range(2):
        for queue, each in zip(queues, circles, strict=True):
            await look(queue, each)


async def states(*jobs: Job[Any]) -> list[str]:
    return [str(await job.state()) for job in jobs]


@pytest.mark.parametrize(
    ("policy", "state"),
    [("fail", JobState.DEAD), ("cancel", JobState.CANCELLED), ("run", JobState.COMPLETED)],
)
async def test_workers_end_a_circle_over_two_queues(
    queues: Sequence[Queue], policy: str, state: JobState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiojobs_redis.worker.handover._ASK", 0.1)
    first, second, _ = queues
    y = await second.enqueue("start", 1, id="nightly", delay=3600)
    x = await first.enqueue("total", depends_on=[y], on_parent_failure=policy)
    y = await replace(y, x)
    await let_wait(queues)

    async with Worker(first), Worker(second):
        assert await y.result(20) == 0
    assert await x.state() is state
    info = await x.info()
    assert info is not None
    assert [(one.type, one.message) for one in info.errors] == (
        []
        if policy == "run"
        else [
            (
                "parent_failed",
                f"job nightly of queue {second.name}, on which it depends, was removed",
            )
        ]
    )


async def over_three(first: Queue, second: Queue, third: Queue) -> tuple[list[Job[Any]], str]:
    y = await second.enqueue("start", 1)
    x = await first.enqueue("total", depends_on=[y])
    z = await third.enqueue("total", depends_on=[x])
    return [x, z, await replace(y, z)], f"job {y.id} of queue {second.name},"


async def twice_through_one(first: Queue, second: Queue, _: Queue) -> tuple[list[Job[Any]], str]:
    y = await second.enqueue("start", 1)
    x = await first.enqueue("total", depends_on=[y])
    w = await first.enqueue("total", depends_on=[x])
    return [x, w, await replace(y, w)], f"job {y.id} of queue {second.name},"


async def twice_from_one_to_the_other(
    first: Queue, second: Queue, _: Queue
) -> tuple[list[Job[Any]], str]:
    y = await second.enqueue("start", 1)
    x = await first.enqueue("total", depends_on=[y])
    v = await second.enqueue("total", depends_on=[x])
    w = await first.enqueue("total", depends_on=[v])
    return [x, v, w, await replace(y, w)], f"job {y.id} of queue {second.name},"


async def replaced_beside_who_waits(
    first: Queue, second: Queue, _: Queue
) -> tuple[list[Job[Any]], str]:
    y = await first.enqueue("start", 1)
    x = await first.enqueue("total", depends_on=[y])
    z = await second.enqueue("total", depends_on=[x])
    return [x, z, await replace(y, z)], f"job {y.id},"


@pytest.mark.parametrize(
    "make",
    [over_three, twice_through_one, twice_from_one_to_the_other, replaced_beside_who_waits],
)
async def test_the_one_that_meant_another_job_is_told_and_the_others_go_on(
    queues: list[Queue], make: Callable[..., Coroutine[Any, Any, tuple[list[Job[Any]], str]]]
) -> None:
    jobs, removed = await make(*queues)
    # It means the new job, and waits rightly, as one does that waits for another one for long.
    beside = await jobs[0].queue.enqueue("total", depends_on=[jobs[-1]])
    later = await queues[1].enqueue("start", 4, delay=7200)
    waits = await queues[0].enqueue("total", depends_on=[later])
    await look_from_all(queues)
    assert await states(*jobs) == ["blocked"] * len(jobs), "it may yet come to an end by itself"
    await let_wait(queues)

    await look_from_all(queues)

    assert await states(jobs[0], beside, waits) == ["dead", "blocked", "blocked"]
    info = await jobs[0].info()
    assert info is not None
    assert f"{removed} on which it depends, was removed" in info.errors[-1].message
    async with Worker(queues[0]), Worker(queues[1]), Worker(queues[2]):
        assert await jobs[-1].result(20) == 0
        assert await beside.result(20) == 0
    assert await states(*jobs[:-1]) == ["dead"] * (len(jobs) - 1)
    await later.cancel_flow()


async def test_what_was_another_job_when_it_was_read_again_is_no_circle(
    queues: list[Queue],
) -> None:
    first, second, _ = queues
    y = await second.enqueue("start", 1)
    x = await first.enqueue("total", depends_on=[y])
    y = await replace(y, x)
    await let_wait(queues)
    circles = Circles()
    await look(first, circles)

    x = await replace(x, y)
    await look(first, circles, 5)

    assert await states(x, y) == ["blocked", "blocked"]
    await let_wait(queues)
    for now in (60, 65):
        await look(first, circles, now)
    # By now it is the other one whose parent is younger.
    assert await states(x) == ["blocked"]
    async with Worker(first), Worker(second):
        assert await x.result(20) == 0


async def test_who_waits_for_one_that_has_left_the_circle_is_told_of_its_end(
    queues: list[Queue],
) -> None:
    first, second, third = queues
    y = await second.enqueue("start", 1)
    x = await first.enqueue("total", depends_on=[y])
    y = await replace(y, x)
    z = await third.enqueue("start", 7)
    await let_wait(queues)
    circles = Circles()
    await look(first, circles)

    y = await replace(y, z)
    await look(first, circles)

    assert await states(x) == ["blocked"]
    async with Worker(first), Worker(second), Worker(third):
        assert await x.result(20) == 7


async def test_a_long_circle_is_found_in_rounds_of_few_looks(
    queues: list[Queue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiojobs_redis._redis.circles._LOOKS", 7)
    monkeypatch.setattr("aiojobs_redis._redis.circles._PAGE", 3)
    jobs = [await queues[1].enqueue("start", 1)]
    for queue in itertools.islice(itertools.cycle(queues), 20):
        jobs.append(await queue.enqueue("total", depends_on=jobs[-1:]))
    y = await replace(jobs[0], jobs[-1])
    await let_wait(queues)
    circles, rounds = Circles(), 0
    while await jobs[1].state() is JobState.BLOCKED and rounds < 30:
        await look(queues[0], circles, rounds * 60)
        rounds += 1

    assert 3 < rounds < 30
    assert await states(jobs[1], y) == ["dead", "blocked"]


async def test_very_many_that_wait_rightly_cost_a_few_looks_a_minute(
    queues: list[Queue], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = queues

    @second.task
    async def later(number: int) -> None: ...

    for _ in range(6):
        parents = await second.enqueue_many(
            later.options(delay=7200).bind(number) for number in range(200)
        )
        await first.enqueue("total", depends_on=parents)
    await let_wait(queues)
    asked: list[str] = []
    ask = Store.ask

    async def noted(store: Store, script: str, *args: Any) -> Any:
        asked.append(script)
        return await ask(store, script, *args)

    monkeypatch.setattr(Store, "ask", noted)
    circles = Circles()
    for now in range(0, 60, 5):
        await look(first, circles, now)

    assert asked
    assert len(asked) <= 24


async def test_a_queue_that_cannot_be_asked_keeps_no_circle_of_others(
    queues: list[Queue], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = queues
    y = await second.enqueue("start", 1)
    x = await first.enqueue("total", depends_on=[y])
    y = await replace(y, x)
    z = await third.enqueue("start", 1, delay=7200)
    await first.enqueue("total", depends_on=[z])
    await let_wait(queues)
    ask = Store.ask

    async def refused(store: Store, script: str, *args: Any) -> Any:
        if store.queue == third.name:
            raise QueueUnavailable("no rights")
        return await ask(store, script, *args)

    monkeypatch.setattr(Store, "ask", refused)
    circles = Circles()
    with pytest.raises(QueueUnavailable, match="no rights"):
        await look(first, circles)
    await look(first, circles)
    assert await states(x) == ["dead"]
