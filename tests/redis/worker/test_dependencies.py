"""Jobs that depend on others, as a user and a task see them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    ConfigInvalid,
    Fail,
    FromParents,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobState,
    JobStateError,
    Parent,
    Queue,
    ResultTooLarge,
    SignedCodec,
    Worker,
    current_job,
)
from aiojobs_redis._redis.producer import NewJob, batches

MIB = 1024 * 1024


@pytest.mark.requirement("B13", "D28")
async def test_a_job_runs_after_those_it_depends_on_and_reads_what_they_returned(
    queue: Queue,
) -> None:
    order: list[str] = []

    @queue.task(keep_result=0)
    async def part(number: int) -> int:
        order.append(f"part {number}")
        return number

    @queue.task
    async def total() -> list[Any]:
        order.append("total")
        return [parent.result() for parent in await current_job().parents()]

    parts = [await part.enqueue(number) for number in (3, 1, 2)]
    joined = await total.options(depends_on=parts, priority=10).enqueue()
    assert await joined.state() is JobState.BLOCKED
    await Worker(queue, concurrency=2).run(burst=True)

    assert order[-1] == "total"
    assert await joined.result(5) == [3, 1, 2]


async def test_results_come_as_an_argument_of_their_type(queue: Queue) -> None:
    @queue.task
    async def square(number: int) -> int:
        return number * number

    @queue.task
    def total(name: str, parts: FromParents[int] = ()) -> dict[str, int]:
        return {name: sum(parts)}

    parts = [await square.enqueue(number) for number in range(4)]
    joined = await queue.enqueue(total, "sum", depends_on=[job.id for job in parts])
    await Worker(queue).run(burst=True)

    assert await joined.result(5) == {"sum": 14}
    assert total.parameters == {"name"}
    with pytest.raises(ArgumentsInvalid, match="filled in when"):
        total.bind("sum", parts=[1])


async def test_a_result_of_another_type_than_the_argument_is_an_error(queue: Queue) -> None:
    @queue.task
    async def word() -> str:
        return "seven"

    @queue.task(attempts=1)
    async def total(parts: FromParents[int] = ()) -> int:
        return sum(parts)

    first = await word.enqueue()
    job = await total.options(depends_on=[first]).enqueue()
    await Worker(queue).run(burst=True)

    with pytest.raises(JobFailed, match=f"takes results as parts, and that of job {first.id}"):
        await job.result(5)


async def test_a_job_without_parents_gets_no_results(queue: Queue) -> None:
    @queue.task
    async def total(parts: FromParents[int]) -> int:
        return len(parts)

    job = await queue.enqueue(total)
    await Worker(queue).run(burst=True)

    assert await job.result(5) == 0


@pytest.mark.requirement("B14")
@pytest.mark.behaviour("T64")
async def test_each_child_decides_what_a_failure_means(queue: Queue) -> None:
    @queue.task
    async def breaks() -> None:
        raise Fail("out of paper")

    @queue.task
    async def child() -> list[str]:
        return [str(parent.state) for parent in await current_job().parents()]

    first = await breaks.enqueue()
    fails = await child.options(depends_on=[first]).enqueue()
    runs = await child.options(depends_on=[first, fails], on_parent_failure="run").enqueue()
    stops = await child.options(depends_on=[first], on_parent_failure="cancel").enqueue()
    grand = await child.options(depends_on=[stops]).enqueue()
    still = await child.options(depends_on=[grand], on_parent_failure="run").enqueue()
    await Worker(queue).run(burst=True)

    with pytest.raises(JobFailed, match=f"job {first.id}, on which it depends, is dead") as raised:
        await fails.result(5)
    assert raised.value.error_type == "parent_failed"
    assert await runs.result(5) == ["dead", "dead"]
    with pytest.raises(JobCancelled, match=f"job {first.id}, on which it depends, is dead"):
        await stops.result(5)
    with pytest.raises(JobCancelled, match=f"job {stops.id}, on which it depends, was cancelled"):
        await grand.result(5)
    assert await still.result(5) == ["cancelled"]


async def test_a_job_that_runs_all_the_same_sees_what_became_of_each(queue: Queue) -> None:
    seen: list[Parent] = []

    @queue.task(attempts=1)
    async def work(what: str) -> Any:
        if what == "raise":
            raise ValueError("broken")
        return "x" * (2 * MIB) if what == "large" else what

    @queue.task
    async def child(parts: FromParents[Any] = ()) -> list[Any]:
        seen.extend(await current_job().parents())
        return list(parts)

    parents = [await work.enqueue(what) for what in ("good", "raise", "large")]
    parents.append(await work.options(delay=60).enqueue("late"))
    job = await child.options(depends_on=parents, on_parent_failure="run").enqueue()
    await parents[3].cancel("not needed")
    await Worker(queue).run(burst=True)

    assert await job.result(5) == ["good"]
    good, broken, large, late = seen
    assert (good.id, good.state, good.result()) == (parents[0].id, JobState.COMPLETED, "good")
    with pytest.raises(JobFailed, match="broken"):
        broken.result()
    with pytest.raises(ResultTooLarge, match="bytes was over the limit"):
        large.result()
    with pytest.raises(JobCancelled, match="not needed"):
        late.result()
    with pytest.raises(JobNotFound, match="was removed"):
        Parent("gone", None, None, 0, ()).result()
    with pytest.raises(JobStateError, match="it is queued"):
        Parent("again", JobState.QUEUED, None, 0, ()).result()


async def test_large_results_are_read_in_several_calls(queue: Queue) -> None:
    @queue.task
    async def large(number: int) -> bytes:
        return bytes([number]) * (MIB - 1000)

    @queue.task
    async def child(parts: FromParents[bytes] = ()) -> list[int]:
        return [part[0] for part in parts]

    parents = [await large.enqueue(number) for number in range(6)]
    job = await child.options(depends_on=parents).enqueue()
    await Worker(queue).run(burst=True)

    assert await job.result(5) == list(range(6))


async def test_sealed_results_are_opened_for_the_child(server_url: str, queue_name: str) -> None:
    codec = SignedCodec({"k1": b"k" * 32})
    async with Queue(queue_name, url=server_url, namespace="test", codec=codec) as queue:

        @queue.task
        async def part(number: int) -> int | None:
            return number or None

        @queue.task
        async def total(parts: FromParents[int | None] = ()) -> list[int | None]:
            return list(parts)

        parts = [await part.enqueue(number) for number in (0, 1)]
        job = await total.options(depends_on=parts).enqueue()
        await Worker(queue).run(burst=True)

        assert await job.result(5) == [None, 1]


async def test_a_parent_that_is_not_there_is_refused_and_nothing_is_written(queue: Queue) -> None:
    @queue.task
    async def child() -> None: ...

    first = await child.enqueue()

    with pytest.raises(JobNotFound, match=r"cannot depend on job nobody: .* Nothing was written"):
        await child.options(depends_on=[first, "nobody"]).enqueue()
    with pytest.raises(JobNotFound, match="cannot depend on job me"):
        await child.options(id="me", depends_on=["me"]).enqueue()
    assert (await queue.counts()).blocked == 0


async def test_others_of_the_same_moment_are_not_refused_with_it(queue: Queue) -> None:
    @queue.task
    async def child(number: int) -> None: ...

    first = await child.enqueue(0)
    calls = [child.options(depends_on=["nobody"] if n == 5 else [first]) for n in range(10)]
    plain = [child.enqueue(n) for n in range(10)]
    results = await asyncio.gather(
        *(call.enqueue(n) for n, call in enumerate(calls)), *plain, return_exceptions=True
    )

    assert [at for at, result in enumerate(results) if isinstance(result, Exception)] == [5]
    counts = await queue.counts()
    assert (counts.blocked, counts.queued) == (9, 11)


@pytest.mark.parametrize("given", ["an id", b"id", 5, [5], [None], [""], ["x" * 257]])
async def test_what_is_no_list_of_jobs_is_refused(queue: Queue, given: Any) -> None:
    with pytest.raises(ConfigInvalid, match="depends_on"):
        await queue.enqueue("task", depends_on=given)


async def test_a_handle_alone_and_too_many_are_refused(queue: Queue) -> None:
    handle = queue.job("a")

    with pytest.raises(ConfigInvalid, match="takes a list of jobs"):
        await queue.enqueue("task", depends_on=handle)
    with pytest.raises(ConfigInvalid, match="may name 250 jobs, got 251"):
        await queue.enqueue("task", depends_on=[str(number) for number in range(251)])
    with pytest.raises(ConfigInvalid, match="must be one of fail, run, run_now, cancel, got 'ig"):
        await queue.enqueue("task", depends_on=[handle], on_parent_failure="ignore")
    with pytest.raises(ConfigInvalid, match="depends_on cannot be set on a task"):
        queue.task(depends_on=[handle])


async def test_an_empty_list_is_no_dependency(queue: Queue) -> None:
    job = await queue.enqueue("task", depends_on=[], on_parent_failure="run")

    assert await job.state() is JobState.QUEUED


def test_a_batch_takes_no_more_parents_than_a_script_may_write() -> None:
    parents = tuple(str(number) for number in range(400))
    jobs = [NewJob(str(number), "task", ",ff", b"", parents) for number in range(5)]
    plain = [NewJob("first", "task", "", b"")]

    assert [len(batch) for batch in batches([*plain, *jobs])] == [3, 2, 1]
    assert [len(batch) for batch in batches([*jobs[:1], *plain])] == [2]
