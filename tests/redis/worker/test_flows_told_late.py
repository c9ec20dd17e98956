"""News of a job that is on its way while another one gets the id."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from aiojobs_redis import Job, JobState, Queue, QueueUnavailable, Worker, chain
from aiojobs_redis._redis.abroad import ask_again, hand_over
from aiojobs_redis._redis.store import Store
from aiojobs_redis.spread import Part
from aiojobs_redis.submission import Submission
from tests.redis.worker.test_flows_across import give_tasks


async def with_news_on_its_way(
    waiting: Queue, call: Coroutine[Any, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    """Make a call; return what the queue would have been told by it."""
    held: list[Any] = []
    ask = Store.ask

    async def on_its_way(store: Store, script: str, *args: Any, **options: Any) -> Any:
        if script == "hear" and store.queue == waiting.name:
            held[:] = args
            raise QueueUnavailable("the caller is busy")
        return await ask(store, script, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "ask", on_its_way)
        await call
    assert held
    return held


@pytest.mark.parametrize("older", ["waits", "is gone"])
@pytest.mark.parametrize("how", ["by itself", "in a flow"])
async def test_news_of_the_job_before_does_not_release_who_waits_for_its_namesake(
    queue: Queue, second_queue: Queue, monkeypatch: pytest.MonkeyPatch, older: str, how: str
) -> None:
    give_tasks(queue)
    give_tasks(second_queue)
    monday = await second_queue.enqueue("start", 1, id="nightly")
    first = await queue.enqueue("total", depends_on=[monday])
    late = await with_news_on_its_way(queue, Worker(second_queue).run(burst=True), monkeypatch)
    if older == "is gone":
        await first.remove()
    await monday.remove()

    child: Job[Any]
    if how == "by itself":
        tuesday = await second_queue.enqueue("start", 2, id="nightly")
        child = await queue.enqueue("total", depends_on=[tuesday])
    else:
        flow = chain(second_queue.bind("start", 2, id="nightly"), queue.bind("total"))
        child = (await queue.enqueue_flow(flow))[1]
    await queue.store.ask("hear", *late)

    assert await child.state() is JobState.BLOCKED
    async with Worker(queue), Worker(second_queue):
        assert await child.result(10) == 2


@pytest.mark.parametrize("news", ["on its way", "not sent yet", "not asked for yet"])
async def test_news_of_the_gate_before_does_not_open_that_of_the_same_flow(
    queue: Queue, second_queue: Queue, monkeypatch: pytest.MonkeyPatch, news: str
) -> None:
    """Ids of its own give a flow the same gate each time; only the last part opens it."""
    give_tasks(queue)
    give_tasks(second_queue)
    flow = chain(queue.bind("start", 1, id="day"), second_queue.bind("total", id="sum"))
    late = await with_news_on_its_way(queue, second_queue.enqueue_flow(flow), monkeypatch)
    if news == "on its way":
        # Sent again, it arrives before its first copy does.
        await hand_over(second_queue.store, at_once=True)
    for job in (queue.job("day"), second_queue.job("sum")):
        await job.remove()
    add_part = Submission.add_part

    async def dies(own: Submission, calls: Sequence[Any], part: Part) -> list[Job[Any]]:
        if not part.gate:
            raise QueueUnavailable("the producer died")
        return await add_part(own, calls, part)

    with monkeypatch.context() as patch:
        patch.setattr(Submission, "add_part", dies)
        with pytest.raises(QueueUnavailable):
            await second_queue.enqueue_flow(flow)

    if news == "on its way":
        await queue.store.ask("hear", *late)
    elif news == "not sent yet":
        await hand_over(second_queue.store, at_once=True)
    else:
        await ask_again(queue.store, b"", lambda *_: None)

    assert await queue.job("day").state() is JobState.BLOCKED
    await second_queue.enqueue_flow(flow)
    async with Worker(queue), Worker(second_queue):
        assert await second_queue.job("sum").result(10) == 1
