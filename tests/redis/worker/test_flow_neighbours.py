"""Over which queues a flow may be spread: each is known by its server, namespace and name."""

from __future__ import annotations

import pytest

from aiojobs_redis import ConfigInvalid, Flow, Queue, Worker, chain, group
from tests.redis.worker.test_flows_across import give_tasks


async def test_a_queue_of_the_same_name_elsewhere_is_another_one(
    queue: Queue, server_url: str
) -> None:
    give_tasks(queue)
    own = await queue.enqueue("start", 1, id="nightly")
    for far, what in (
        (Queue(queue.name, "redis://far:1", namespace="test"), "has the Redis"),
        (Queue(queue.name, server_url, namespace="elsewhere"), "has the namespace test"),
    ):
        give_tasks(far)
        for flow in (
            group(queue.bind("start", 1), far.bind("start", 2)),
            chain(queue.bind("start", 1), far.bind("total")),
            far.bind("start", 1),
        ):
            with pytest.raises(ConfigInvalid, match=what):
                await queue.enqueue_flow(flow if isinstance(flow, Flow) else group(flow))
        for parents in ([far.job("nightly")], [own, far.job("nightly")]):
            with pytest.raises(ConfigInvalid, match=what):
                await queue.enqueue("total", depends_on=parents)
    assert (await queue.counts()).queued == 1


async def test_two_queues_of_one_name_and_place_are_one(
    queue: Queue, second_queue: Queue, server_url: str
) -> None:
    same = Queue(queue.name, server_url, namespace="test")
    second = Queue(second_queue.name, server_url, namespace="test")
    for each in (queue, second_queue, same, second):
        give_tasks(each)
    flow = chain(
        group(queue.bind("start", 1), same.bind("start", 2)),
        second_queue.bind("total"),
        second.bind("total"),
    )
    jobs = await queue.enqueue_flow(flow)
    assert [job.queue.name for job in jobs] == [
        queue.name,
        queue.name,
        second_queue.name,
        second_queue.name,
    ]
    async with Worker(queue), Worker(second_queue):
        assert await jobs[-1].result(20) == 3
    with pytest.raises(ConfigInvalid, match="the id 'a'"):
        await queue.enqueue_flow(
            group(second_queue.bind("start", 1, id="a"), second.bind("start", 2, id="a"))
        )
