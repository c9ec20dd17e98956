"""The answer of an operator's call is lost: it is sent again, and is answered as the first time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from aiojobs_redis import Job, JobState, Queue, Unique
from aiojobs_redis.testing import run_until_idle
from tests.support.proxy import Proxy, runs_script

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
    far_queue: Queue, proxy: Proxy, queue: Queue
) -> None:
    async def resume(words: list[bytes]) -> None:
        if runs_script("pause")(words):
            proxy.after = nothing
            assert await queue.resume() is True
            raise ConnectionError

    proxy.after = resume
    assert await far_queue.pause() is True
    assert not (await queue.counts()).paused


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
