"""Each call that operates on a job, in each state: what that state refuses changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiojobs_redis import Fail, Job, JobState, JobStateError, Queue, Retry
from tests.support.raw import dump

FINISHED = {JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED}
TIMED = {JobState.SCHEDULED, JobState.RETRYING}
WAITING = {*TIMED, JobState.QUEUED, JobState.BLOCKED}
HOUR = 3600


async def prune(job: Job[Any]) -> None:
    assert await job.remove_waiting_parents() == 0, "others need it too"


CALLS: dict[str, tuple[Callable[[Job[Any]], Awaitable[Any]], set[JobState]]] = {
    "promote": (lambda job: job.promote(), TIMED),
    "reschedule": (lambda job: job.reschedule(delay=2 * HOUR), TIMED),
    "reprioritise": (lambda job: job.reprioritise(4), {*TIMED, JobState.QUEUED}),
    "change": (lambda job: job.change(job.queue.bind("work", "new")), WAITING),
    "remove a dependency": (lambda job: job.remove_dependency("parent"), {JobState.BLOCKED}),
    "remove waiting parents": (prune, {JobState.BLOCKED}),
    "retry": (lambda job: job.retry(), FINISHED),
    "remove": (lambda job: job.remove(), set(JobState) - {JobState.RUNNING}),
    "cancel": (lambda job: job.cancel("enough"), set(JobState) - FINISHED),
}
"""By name: a call, and the states that accept it."""


async def fill(queue: Queue) -> dict[tuple[str, JobState], Job[Any]]:
    """Return a job for each call in each state, of which none moves by itself."""

    @queue.task(attempts=2, backoff=[HOUR])
    async def work(how: str) -> None: ...

    async def add(state: JobState, **options: Any) -> list[Job[Any]]:
        return await queue.enqueue_many([work.options(**options).bind(state) for _ in CALLS])

    made: dict[JobState, list[Job[Any]]] = {}
    for state in (JobState.RUNNING, JobState.RETRYING, JobState.COMPLETED, JobState.DEAD):
        made[state] = await add(state)
    for lease in await queue.claim(4 * len(CALLS), lease=HOUR):
        if lease.args[0] == JobState.RETRYING:
            await lease.fail(Retry(delay=HOUR))
        elif lease.args[0] == JobState.COMPLETED:
            await lease.complete(None)
        elif lease.args[0] == JobState.DEAD:
            await lease.fail(Fail("never"))
    made[JobState.SCHEDULED] = await add(JobState.SCHEDULED, delay=HOUR)
    made[JobState.CANCELLED] = await add(JobState.CANCELLED, delay=HOUR)
    for job in made[JobState.CANCELLED]:
        await job.cancel()
    made[JobState.QUEUED] = await add(JobState.QUEUED)
    parent = await work.options(delay=HOUR, id="parent").enqueue("parent")
    made[JobState.BLOCKED] = await add(JobState.BLOCKED, depends_on=[parent])
    jobs = {
        (call, state): job
        for state, own in made.items()
        for call, job in zip(CALLS, own, strict=True)
    }
    found = await queue.states([job.id for job in jobs.values()])
    assert list(found.values()) == [state for _, state in jobs]
    return jobs


async def records(queue: Queue) -> dict[bytes, Any]:
    """Return all keys of the queue, but for the answers that are kept for calls sent again."""
    found = await dump(queue)
    del found[queue.store.keys["producers"]]
    return found


@pytest.mark.requirement("B20")
@pytest.mark.behaviour("T22", "T23")
async def test_each_call_is_refused_in_each_wrong_state_and_changes_nothing(queue: Queue) -> None:
    jobs = await fill(queue)
    before = await records(queue)
    for (call, state), job in jobs.items():
        do, accepted = CALLS[call]
        if state in accepted:
            continue
        if call == "cancel":
            assert await do(job) is False, state
        else:
            with pytest.raises(JobStateError, match=r"Nothing was changed\.$"):
                await do(job)
        assert await records(queue) == before, f"{call} of a {state} job left something"

    # None of those refused was in the way of one that is not.
    for (call, state), job in jobs.items():
        do, accepted = CALLS[call]
        if state in accepted:
            assert await do(job) in (None, True), (call, state)


@pytest.mark.requirement("P21")
async def test_what_would_take_running_jobs_along_is_refused_and_changes_nothing(
    queue: Queue,
) -> None:
    await fill(queue)
    before = await records(queue)
    for refused in (queue.clean("running"), queue.destroy()):
        with pytest.raises(JobStateError, match=r"Nothing was (changed|deleted)"):
            await refused
        assert await records(queue) == before
