"""Middleware around an enqueue: it sees every call, may change it, and may refuse it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from aiojobs_redis import (
    BoundCall,
    ConfigInvalid,
    EnqueueMiddleware,
    Job,
    JobOptions,
    JobState,
    Queue,
    Worker,
    chain,
    current_job,
)

Calls = Sequence[BoundCall[Any]]
Next = Callable[[Calls], Awaitable[Sequence[Job[Any]]]]
Make = Callable[..., Queue]


@pytest.fixture
async def make(server_url: str, queue_name: str) -> AsyncIterator[Make]:
    """Makes queues of one name with different middleware."""
    made: list[Queue] = []

    def queue(*middleware: EnqueueMiddleware, **options: Any) -> Queue:
        made.append(
            Queue(queue_name, url=server_url, namespace="test", middleware=middleware, **options)
        )
        return made[-1]

    yield queue
    for one in made:
        await one.close()


async def test_the_first_is_outermost_and_bulk_calls_come_as_one(make: Make) -> None:
    told: list[str] = []

    def named(name: str) -> EnqueueMiddleware:
        async def middleware(calls: Calls, call_next: Next) -> Sequence[Job[Any]]:
            told.append(f"{name} before {len(calls)}")
            jobs = await call_next(calls)
            told.append(f"{name} after {len(jobs)}")
            return jobs

        return middleware

    queue = make(named("outer"), named("inner"))

    @queue.task
    async def work(number: int = 0) -> int:
        return number

    await work.enqueue(1)
    around_one = ["outer before 1", "inner before 1", "inner after 1", "outer after 1"]
    assert told == around_one
    told.clear()
    await queue.enqueue("by-name", 1)
    await work.options(priority=3).enqueue()
    await queue.enqueue(work, 5, delay=60)
    await queue.enqueue_call(work.bind())
    assert told == 4 * around_one
    told.clear()
    jobs = await queue.enqueue_many([work.bind(number) for number in range(300)])
    assert told == [text.replace("1", "300") for text in around_one]
    assert len({job.id for job in jobs}) == 300


async def test_headers_and_options_can_be_changed(make: Make) -> None:
    async def traced(calls: Calls, call_next: Next) -> Sequence[Job[Any]]:
        return await call_next([call.with_headers({"trace": f"t-{call.task}"}) for call in calls])

    async def urgent(calls: Calls, call_next: Next) -> Sequence[Job[Any]]:
        assert all("trace" in call.headers for call in calls)
        return await call_next([call.with_options(priority=9) for call in calls])

    queue = make(traced, urgent, defaults=JobOptions(headers={"app": "shop"}))

    @queue.task
    async def show() -> dict[str, str]:
        return dict(current_job().headers)

    @queue.task(headers={"team": "mail"})
    async def own() -> dict[str, str]:
        return dict(current_job().headers)

    jobs = [
        await show.enqueue(),
        await own.enqueue(),
        await own.options(headers={"x": "y"}).enqueue(),
        *await queue.enqueue_many([queue.bind("show", priority=1)]),
    ]
    assert [(await queue.infos([job.id]))[0].priority for job in jobs] == [9] * 4
    async with Worker(queue):
        assert [await job.result(10) for job in jobs] == [
            {"app": "shop", "trace": "t-show"},
            {"team": "mail", "trace": "t-own"},
            {"x": "y", "trace": "t-own"},
            {"app": "shop", "trace": "t-show"},
        ]


async def test_the_calls_of_a_flow_come_together_and_keep_their_order(make: Make) -> None:
    sizes: list[int] = []

    async def traced(calls: Calls, call_next: Next) -> Sequence[Job[Any]]:
        sizes.append(len(calls))
        return await call_next([call.with_headers({"trace": "t"}) for call in calls])

    queue = make(traced)
    order: list[tuple[int, str]] = []

    @queue.task
    async def work(number: int) -> None:
        order.append((number, current_job().headers["trace"]))

    jobs = await queue.enqueue_flow(chain(work.bind(1), work.bind(2), work.bind(3)))
    async with Worker(queue):
        await jobs[-1].result(10)
    assert (sizes, order) == ([3], [(1, "t"), (2, "t"), (3, "t")])


async def test_a_refusal_writes_nothing_and_reaches_the_caller(make: Make) -> None:
    async def guard(calls: Calls, call_next: Next) -> Sequence[Job[Any]]:
        if any(call.task == "forbidden" for call in calls):
            raise PermissionError("not you")
        return await call_next(calls)

    queue = make(guard)
    with pytest.raises(PermissionError, match="not you"):
        await queue.enqueue("forbidden")
    with pytest.raises(PermissionError):
        await queue.enqueue_many([queue.bind("work"), queue.bind("forbidden")])
    assert (await queue.counts()).unfinished == 0
    job = await queue.enqueue("work")
    assert await job.state() is JobState.QUEUED


async def test_one_that_passes_on_nothing_is_told_what_is_missing(make: Make) -> None:
    async def forgetful(_: Calls, call_next: Any) -> Sequence[Job[Any]]:
        jobs: Sequence[Job[Any]] = await call_next()
        return jobs

    queue = make(forgetful)
    with pytest.raises(ConfigInvalid, match="passed on 0 calls for 1"):
        await queue.enqueue("work")
    assert (await queue.counts()).unfinished == 0


async def test_the_id_of_a_job_is_known_behind_it_and_a_taken_id_too(make: Make) -> None:
    seen: list[tuple[str, bool]] = []

    async def audit(calls: Calls, call_next: Next) -> Sequence[Job[Any]]:
        jobs = await call_next(calls)
        seen.extend((job.id, job.created) for job in jobs)
        return jobs

    queue = make(audit)
    for _ in range(2):
        await queue.enqueue("work", id="mine")
    assert seen == [("mine", True), ("mine", False)]


async def test_calls_can_neither_be_added_nor_dropped(make: Make) -> None:
    async def drops(calls: Calls, call_next: Next) -> Sequence[Job[Any]]:
        return await call_next(calls[1:])

    async def loses(calls: Calls, call_next: Next) -> Sequence[Job[Any]]:
        return (await call_next(calls))[1:]

    queue = make(drops)
    with pytest.raises(ConfigInvalid, match=r"passed on 0 calls for 1: .* Nothing was added"):
        await queue.enqueue("work")
    with pytest.raises(ConfigInvalid, match="passed on 1 calls for 2: "):
        await queue.enqueue_many([queue.bind("work"), queue.bind("work")])
    assert (await queue.counts()).unfinished == 0
    with pytest.raises(ConfigInvalid, match=r"returned 0 handles for 1 calls.* jobs were added\."):
        await make(loses).enqueue("work")


async def test_the_next_one_is_called_once_unless_it_failed(make: Make) -> None:
    async def again(calls: Calls, call_next: Next) -> Sequence[Job[Any]]:
        try:
            return await call_next(calls[1:])
        except ConfigInvalid:
            await call_next(calls)
        return await call_next(calls)

    queue = make(again)
    with pytest.raises(ConfigInvalid, match=r"added the jobs already\. Nothing was added twice"):
        await queue.enqueue("work")
    assert (await queue.counts()).queued == 1


async def test_what_is_passed_on_and_returned_may_be_any_iterable(make: Make) -> None:
    async def lazily(calls: Calls, call_next: Any) -> Any:
        return (job for job in await call_next(call for call in calls))

    queue = make(lazily)
    jobs = await queue.enqueue_many([queue.bind("work", number) for number in range(3)])
    assert [(await job.info() or job).id for job in jobs] == [job.id for job in jobs]


def test_what_cannot_be_middleware_is_refused(queue_name: str) -> None:
    def plain(calls: Calls, call_next: Next) -> None: ...

    for bad in ([plain], ["name"], plain, 7):
        with pytest.raises(ConfigInvalid, match=r"async callables? of calls and call_next"):
            Queue(queue_name, url="memory://refused", middleware=bad)  # type: ignore[arg-type]
