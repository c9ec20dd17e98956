"""The answer of an operator's call is lost: it is sent again, and is answered as the first time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import pytest

from aiojobs_redis import Job, JobState, Queue, Unique, Worker
from aiojobs_redis.testing import run_until_idle
from tests.support.proxy import Proxy, runs_script
from tests.support.waiting import wait_until

Call: TypeAlias = Callable[[Queue, Job[Any]], Awaitable[bool]]

CALLS: dict[str, tuple[str, Call, Call]] = {
    # The script, the call, and what undoes it.
    "pause": ("pause", lambda queue, _: queue.pause(), lambda queue, _: queue.resume()),
    "resume": ("pause", lambda queue, _: queue.resume(), lambda queue, _: queue.pause()),
    "pause of a key": (
        "close",
        lambda queue, _: queue.pause(key="k"),
        lambda queue, _: queue.resume(key="k"),
    ),
    "resume of a key": (
        "close",
        lambda queue, _: queue.resume(key="k"),
        lambda queue, _: queue.pause(key="k"),
    ),
    "keep": ("keep", lambda queue, _: queue.keep(dead=3), lambda queue, _: queue.keep(dead=4)),
    "age": ("age", lambda queue, _: queue.age(60), lambda queue, _: queue.age(None)),
}


@pytest.mark.behaviour("F26")
@pytest.mark.parametrize("name", CALLS)
async def test_a_wish_whose_answer_was_lost_says_what_it_changed(
    far_queue: Queue, proxy: Proxy, name: str
) -> None:
    script, call, undo = CALLS[name]
    job = far_queue.job("none")
    await undo(far_queue, job)
    proxy.drop_reply_of(runs_script(script))

    assert await call(far_queue, job) is True
    assert proxy.dropped()
    assert await call(far_queue, job) is False
    assert await undo(far_queue, job) is True
    assert await call(far_queue, job) is True


@pytest.mark.behaviour("F26")
async def test_a_wish_that_is_sent_again_leaves_what_others_asked_for_meanwhile(
    far_queue: Queue, proxy: Proxy, real_queue: Queue
) -> None:
    async def resume(words: list[bytes]) -> None:
        if runs_script("pause")(words):
            proxy.after = nothing
            assert await real_queue.resume() is True
            raise ConnectionError

    proxy.after = resume
    assert await far_queue.pause() is True
    assert not (await real_queue.counts()).paused


async def nothing(_: list[bytes]) -> None:
    """Lose no more."""


@pytest.mark.behaviour("F26")
async def test_a_key_that_was_freed_unheard_is_not_taken_from_the_next_job(
    far_queue: Queue, proxy: Proxy
) -> None:
    unique = Unique("k")
    job = await far_queue.enqueue("work", unique=unique)
    proxy.drop_reply_of(runs_script("free"))

    assert await job.free_unique() is True
    assert proxy.dropped()
    assert await job.free_unique() is False
    later = await far_queue.enqueue("work", unique=unique)
    assert later.id != job.id
    assert await later.free_unique() is True


@pytest.mark.behaviour("F26")
@pytest.mark.parametrize("script", ["detach", "prune"])
async def test_who_goes_on_without_another_unheard_is_not_refused_for_it(
    far_queue: Queue, proxy: Proxy, real_queue: Queue, script: str
) -> None:
    other = await far_queue.enqueue("work")
    job = await far_queue.enqueue("work", depends_on=[other])

    async def finish(words: list[bytes]) -> None:
        if runs_script(script)(words) and await job_of(real_queue, job).state() == "queued":
            proxy.after = nothing
            # Others go on meanwhile: it has started and ended.
            await run_once(real_queue)
            raise ConnectionError

    proxy.after = finish
    if script == "detach":
        await job.remove_dependency(other)
    else:
        assert await job.remove_waiting_parents() == 1
    assert proxy.after is nothing
    assert await job.state() is JobState.COMPLETED


@pytest.mark.behaviour("F26")
async def test_replays_whose_answer_was_lost_are_counted_and_made_once(
    far_queue: Queue, proxy: Proxy
) -> None:
    @far_queue.task(attempts=1)
    async def fail() -> None:
        raise ValueError

    jobs = [await fail.enqueue() for _ in range(5)]
    held = await fail.options(unique=Unique("k")).enqueue()
    await run_until_idle(far_queue)
    await fail.options(unique=Unique("k")).enqueue()
    proxy.drop_reply_of(runs_script("replay"))

    assert await far_queue.replay_all() == 5
    assert proxy.dropped()
    assert await held.state() is JobState.DEAD
    for job in jobs:
        info = await job.info()
        assert info is not None
        assert (info.state, info.generation) == (JobState.QUEUED, 2)
    assert await far_queue.replay_all() == 0

    await run_until_idle(far_queue)
    proxy.drop_reply_of(runs_script("replay"))
    await jobs[0].retry()
    assert proxy.dropped()
    assert await jobs[0].state() is JobState.QUEUED


@pytest.mark.behaviour("F26")
@pytest.mark.parametrize("force", [False, True])
async def test_a_queue_made_since_is_not_destroyed_by_the_same_call(
    far_queue: Queue, proxy: Proxy, real_queue: Queue, force: bool
) -> None:
    async def make_another(words: list[bytes]) -> None:
        if runs_script("destroy")(words):
            proxy.after = nothing
            later.append(await real_queue.enqueue("work"))
            if not force:
                await real_queue.claim()
            raise ConnectionError

    later: list[Job[Any]] = []
    before = await far_queue.enqueue("work")
    if not force:
        await before.cancel()
    proxy.after = make_another
    await far_queue.destroy(force=force)
    assert await before.state() is None
    assert await later[0].state() is (JobState.QUEUED if force else JobState.RUNNING)
    await far_queue.destroy(force=True)
    assert await later[0].state() is None


MOVES: dict[str, Callable[[Job[Any]], Awaitable[None]]] = {
    "promote": lambda job: job.promote(),
    "reschedule for now": lambda job: job.reschedule(delay=0),
    "reschedule": lambda job: job.reschedule(delay=7200),
    "reprioritise": lambda job: job.reprioritise(5),
}


@pytest.mark.behaviour("F26")
@pytest.mark.parametrize("name", MOVES)
async def test_a_move_that_is_sent_again_is_not_refused_for_what_it_did(
    far_queue: Queue, proxy: Proxy, real_queue: Queue, name: str
) -> None:
    job = await far_queue.enqueue("work", delay=3600)

    async def finish(words: list[bytes]) -> None:
        if runs_script("move")(words):
            proxy.after = nothing
            # Others go on meanwhile: it has started and ended.
            if await job_of(real_queue, job).state() is not JobState.QUEUED:
                await job_of(real_queue, job).promote()
            await run_once(real_queue)
            raise ConnectionError

    proxy.after = finish
    await MOVES[name](job)
    assert proxy.after is nothing
    assert await job.state() is JobState.COMPLETED


@pytest.mark.behaviour("F26")
async def test_a_move_that_is_sent_again_leaves_what_others_asked_for_meanwhile(
    far_queue: Queue, proxy: Proxy, real_queue: Queue
) -> None:
    job = await far_queue.enqueue("work", delay=3600)

    async def move(words: list[bytes]) -> None:
        if runs_script("move")(words):
            proxy.after = nothing
            await job_of(real_queue, job).reprioritise(9)
            await job_of(real_queue, job).reschedule(delay=60)
            raise ConnectionError

    for name in ("reprioritise", "reschedule"):
        proxy.after = move
        await MOVES[name](job)
        info = await job.info()
        assert info is not None
        assert info.priority == 9
        assert info.run_at - info.enqueued_at < timedelta(minutes=30)


@pytest.mark.behaviour("F26")
async def test_a_schedule_that_was_removed_unheard_was_there(
    far_queue: Queue, proxy: Proxy
) -> None:
    @far_queue.task
    async def work() -> None: ...

    await far_queue.schedule("nightly", work.bind(), every=60)
    proxy.drop_reply_of(runs_script("unschedule"))

    assert await far_queue.unschedule("nightly") is True
    assert proxy.dropped()
    assert await far_queue.unschedule("nightly") is False


@pytest.mark.behaviour("F26")
async def test_a_schedule_made_since_is_not_removed_by_the_same_call(
    far_queue: Queue, proxy: Proxy, real_queue: Queue
) -> None:
    @real_queue.task
    async def work() -> None: ...

    async def schedule(words: list[bytes]) -> None:
        if runs_script("unschedule")(words):
            proxy.after = nothing
            await real_queue.schedule("nightly", work.bind(), every=120)
            raise ConnectionError

    await real_queue.schedule("nightly", work.bind(), every=60)
    proxy.after = schedule
    assert await far_queue.unschedule("nightly") is True
    assert [info.id for info in await real_queue.schedules()] == ["nightly"]


@pytest.mark.behaviour("F26")
@pytest.mark.parametrize("kept", [0, 1, None])
async def test_a_cancellation_whose_answer_was_lost_says_that_it_was_one(
    far_queue: Queue, proxy: Proxy, real_queue: Queue, kept: float | None
) -> None:
    if kept == 1:
        # The next one that is cancelled takes the place of the one before.
        await real_queue.keep(cancelled=1)
    job = await far_queue.enqueue("work", **({"keep_cancelled": 0} if kept == 0 else {}))

    async def cancel_another(words: list[bytes]) -> None:
        if runs_script("cancel")(words):
            proxy.after = nothing
            await (await real_queue.enqueue("work")).cancel()
            raise ConnectionError

    proxy.after = cancel_another
    assert await job.cancel() is True
    assert proxy.after is nothing
    assert (await job.info() is None) is (kept is not None)
    assert await job.cancel() is False


@pytest.mark.behaviour("F26")
async def test_of_two_that_cancel_in_the_same_millisecond_one_has_done_it(
    real_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: moment)
    job = await real_queue.enqueue("work")

    assert sorted([await job.cancel("stop"), await job.cancel("stop")]) == [False, True]
    info = await job.info()
    assert info is not None
    assert [error.message for error in info.errors] == ["stop"]


@pytest.mark.behaviour("F26")
@pytest.mark.parametrize("kept", [0, None])
async def test_a_wish_to_cancel_was_one_although_the_job_completed_meanwhile(
    far_queue: Queue, proxy: Proxy, real_queue: Queue, kept: float | None
) -> None:
    started = asyncio.Event()

    @real_queue.task(keep_result=kept)
    async def stubborn() -> None:
        started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async def end(words: list[bytes]) -> None:
        if runs_script("cancel")(words):
            proxy.after = nothing
            await wait_until(over, "the job to end")
            raise ConnectionError

    async def over() -> bool:
        counts = await real_queue.counts()
        return counts.running == 0

    job = await stubborn.enqueue()
    async with Worker(real_queue):
        await started.wait()
        proxy.after = end
        assert await job_of(far_queue, job).cancel() is True
    assert proxy.after is nothing
    assert (await job.info() is None) is (kept == 0)
    assert await job.cancel() is False


def job_of(queue: Queue, job: Job[Any]) -> Job[Any]:
    return queue.job(job.id)


async def run_once(queue: Queue) -> None:
    async def work() -> None: ...

    queue.task(work)
    await Worker(queue).run(burst=True)
