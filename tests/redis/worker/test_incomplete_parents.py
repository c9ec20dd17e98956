"""A dependent that is run again by itself does not go without results that it counts on."""

from __future__ import annotations

import pytest

from aiojobs_redis import FromParents, Job, JobFailed, JobState, Queue, Worker, current_job
from tests.support import process_tasks


class Switch:
    """Says whether tasks fail for now."""

    fails = True


@pytest.fixture
def switch() -> Switch:
    return Switch()


def give_tasks(queue: Queue, switch: Switch) -> None:
    @queue.task(attempts=1)
    async def part(number: int, *, huge: bool = False) -> int | bytes:
        if switch.fails and number < 0:
            raise ValueError("no part")
        return bytes(2_000_000) if huge else number

    @queue.task(attempts=1)
    async def total(parts: FromParents[int] = ()) -> int:
        if switch.fails:
            raise ValueError("no total")
        return sum(parts)

    queue.task(attempts=1, executor="process")(process_tasks.sum_of_parents)

    @queue.task(attempts=1)
    async def look() -> list[str]:
        parents = await current_job().parents()
        return [str(parent.state) for parent in parents]


async def error_of(job: Job[object]) -> str:
    with pytest.raises(JobFailed) as failure:
        await job.result(10)
    return failure.value.error_type


@pytest.mark.requirement("B13", "B14")
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("gone", [False, True])
async def test_one_that_died_by_itself_runs_again_only_with_all_its_results(
    queue: Queue, second_queue: Queue, switch: Switch, across: bool, gone: bool
) -> None:
    there = second_queue if across else queue
    give_tasks(queue, switch)
    give_tasks(second_queue, switch)
    async with Worker(queue), Worker(second_queue):
        parts = [await there.enqueue("part", number) for number in (1, 2)]
        total = await queue.enqueue("total", depends_on=parts)
        assert await error_of(total) == "ValueError"
        if gone:
            await parts[0].remove()
        switch.fails = False
        await total.retry()
        # Of one of another queue there is a copy as long as the dependent is kept.
        if gone and not across:
            assert await error_of(total) == "JobNotFound"
        else:
            assert await total.result(10) == 3


@pytest.mark.parametrize("across", [False, True])
async def test_one_that_died_of_its_parent_does_not_run_without_it(
    queue: Queue, second_queue: Queue, switch: Switch, across: bool
) -> None:
    there = second_queue if across else queue
    give_tasks(queue, switch)
    give_tasks(second_queue, switch)
    async with Worker(queue), Worker(second_queue):
        parts = [await there.enqueue("part", number) for number in (1, -2)]
        await parts[0].result(10)
        total = await queue.enqueue("total", depends_on=parts)
        apart = await queue.enqueue("sum_of_parents", 1, depends_on=parts)
        look = await queue.enqueue("look", depends_on=parts)
        for job in (total, apart, look):
            assert await error_of(job) == "parent_failed"
        switch.fails = False
        for job in (total, apart, look):
            await job.retry()

        assert await error_of(apart) == "JobFailed"
        with pytest.raises(JobFailed, match=f"JobFailed: job {parts[1].id} is dead: .*no part"):
            await total.result(10)
        # Who asks for the parents sees what became of them.
        assert await look.result(10) == ["completed", "dead"]


async def test_a_result_that_was_too_large_is_not_passed_over(queue: Queue, switch: Switch) -> None:
    give_tasks(queue, switch)
    switch.fails = False
    async with Worker(queue):
        parts = [await queue.enqueue("part", 1), await queue.enqueue("part", 2, huge=True)]
        total = await queue.enqueue("total", depends_on=parts)
        assert await error_of(total) == "ResultTooLarge"


async def test_one_that_runs_whatever_happens_gets_the_results_there_are(
    queue: Queue, switch: Switch
) -> None:
    give_tasks(queue, switch)
    async with Worker(queue):
        parts = [await queue.enqueue("part", number) for number in (1, -2)]
        total = await queue.enqueue("total", depends_on=parts, on_parent_failure="run")
        assert await error_of(total) == "ValueError"
        await parts[1].remove()
        switch.fails = False
        await total.retry()

        assert await total.result(10) == 1
        assert await total.state() is JobState.COMPLETED
