"""Assertions about what was enqueued, on each kind of server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import pytest

from aiojobs_redis import (
    ArgumentsInvalid,
    ConfigInvalid,
    Depends,
    JobState,
    Queue,
    QueueUnavailable,
    SignedCodec,
    Worker,
    chain,
)
from aiojobs_redis.testing import (
    assert_enqueued,
    enqueued,
    inline,
    refute_enqueued,
    run_until_idle,
)
from tests.support.waiting import wait_until

NOWHERE = "redis://127.0.0.1:1"


async def test_what_was_enqueued_is_found_by_all_or_some_of_its_arguments(queue: Queue) -> None:
    @queue.task
    async def greet(name: str, greeting: str = "Hello", *, loud: bool = False) -> None: ...

    @queue.task
    async def other(name: str) -> None: ...

    job = await greet.enqueue("Ada", loud=True)
    second = await greet.enqueue(name="Bob", greeting="Hi")

    assert [one.id for one in assert_enqueued(greet)] == [job.id, second.id]
    assert [one.id for one in assert_enqueued(greet, "Ada")] == [job.id]
    assert [one.id for one in assert_enqueued(greet, name="Ada")] == [job.id]
    assert [one.id for one in assert_enqueued(greet, "Bob", "Hi")] == [second.id]
    assert [one.id for one in assert_enqueued(greet, loud=True)] == [job.id]
    # The task runs with its defaults where nothing else was given.
    assert [one.id for one in assert_enqueued(greet, greeting="Hello")] == [job.id]
    assert [one.id for one in assert_enqueued(greet, loud=False)] == [second.id]
    assert [one.id for one in assert_enqueued(greet.bind("Ada", loud=True))] == [job.id]
    assert [one.id for one in assert_enqueued("greet", "Ada", queue=queue)] == [job.id]
    assert [one.id for one in assert_enqueued(greet, ANY, greeting="Hi")] == [second.id]
    assert len(enqueued(queue=queue)) == 2
    assert enqueued(other) == refute_enqueued(other, "Ada") == []
    for missed in (("Eve",), ("Ada", "Hi"), ("Bob", "Hello")):
        refute_enqueued(greet, *missed)
        with pytest.raises(AssertionError, match="is not enqueued"):
            assert_enqueued(greet, *missed)


async def test_an_assertion_may_be_awaited(queue: Queue) -> None:
    @queue.task
    async def greet(name: str) -> None: ...

    await greet.enqueue("Ada")
    found: Any = assert_enqueued(greet, "Ada")
    assert await found == found
    none: Any = refute_enqueued(greet, "Bob")
    assert await none == []


def test_an_assertion_needs_no_event_loop(server_url: str, queue_name: str) -> None:
    queue = Queue(queue_name, server_url, namespace="test")

    @queue.task
    async def greet(name: str) -> None: ...

    async def produce() -> None:
        await greet.enqueue("Ada")
        await queue.close()

    asyncio.run(produce())
    assert_enqueued(greet, "Ada")
    refute_enqueued(greet, "Bob")


async def test_connections_of_an_assertion_are_closed(real_queue: Queue) -> None:
    @real_queue.task
    async def greet(name: str) -> None: ...

    await greet.enqueue("Ada")

    async def clients() -> int:
        async with real_queue.store.server.borrow() as link:
            listed: bytes = await link.call("CLIENT", "LIST")
        return listed.count(b"\n")

    before = await clients()
    for _ in range(5):
        assert_enqueued(greet, "Ada")

    async def closed() -> bool:
        return await clients() <= before

    await wait_until(closed, "the server to see that they are closed")


async def test_the_failure_lists_what_is_enqueued(queue: Queue) -> None:
    @queue.task
    async def greet(name: str) -> None: ...

    with pytest.raises(AssertionError) as caught:
        assert_enqueued(greet, "Ada")
    assert str(caught.value) == (
        f"greet('Ada') is not enqueued in queue {queue.name}. Nothing is enqueued there."
    )

    jobs = await queue.enqueue_many([greet.bind(f"n{number}") for number in range(22)])
    last = await greet.options(delay=60, priority=3, key="tenant").enqueue("x" * 500)
    with pytest.raises(AssertionError) as caught:
        assert_enqueued(greet.options(priority=5), "Ada")
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        f"greet('Ada') with priority=5 is not enqueued in queue {queue.name}. "
        "Enqueued there, the newest first, 23 in all:"
    )
    assert "scheduled, priority 3, for 20" in lines[1]
    assert lines[1].endswith(f"key 'tenant', id {last.id}")
    assert len(lines[1]) < 300
    assert lines[2] == f"  greet('n21')  queued, id {jobs[-1].id}"
    assert lines[21:] == ["  and 3 older ones"]

    with pytest.raises(AssertionError, match=r"greet\('n1'\) is enqueued in queue .*, 1 times"):
        refute_enqueued(greet, "n1")


async def test_options_and_states_are_compared(queue: Queue) -> None:
    @queue.task
    async def greet(name: str) -> None: ...

    at = datetime(2100, 1, 1, tzinfo=UTC)
    headers = {"trace": "1", "tenant": "a"}
    await greet.options(
        delay=timedelta(minutes=1), priority=3, key="k", id="one", attempts=7, headers=headers
    ).enqueue("Ada")
    await greet.options(at=at).enqueue("Bob")

    assert_enqueued(greet, "Ada", delay=60, priority=3, key="k", id="one", attempts=7)
    assert_enqueued(greet.options(delay=60, headers={"tenant": "a"}), "Ada", state="scheduled")
    assert_enqueued(greet, "Bob", at=at, attempts=3, priority=0)
    for odd in (
        {"delay": 61},
        {"priority": 2},
        {"key": "other"},
        {"id": "two"},
        {"attempts": 3},
        {"headers": {"tenant": "b"}},
        {"at": at},
        {"state": "queued"},
        {"state": [JobState.QUEUED, JobState.RUNNING]},
    ):
        refute_enqueued(greet, "Ada", **odd)
    assert len(enqueued(greet, state=("queued", "scheduled"))) == 2


async def test_finished_jobs_are_found_where_their_state_is_asked_for(queue: Queue) -> None:
    @queue.task
    async def greet(name: str) -> None: ...

    await greet.enqueue("Ada")
    await run_until_idle(queue)
    refute_enqueued(greet)
    refute_enqueued(queue=queue)
    assert_enqueued(greet, "Ada", state="completed")


async def test_values_are_compared_as_the_codec_carries_them(queue: Queue) -> None:
    @dataclass(eq=False)
    class Point:
        x: int

    @queue.task
    async def plot(
        points: tuple[Point, ...], at: datetime, tags: set[str], *more: int, **rest: float
    ) -> None: ...

    now = datetime.now(UTC)
    await plot.enqueue((Point(1), Point(2)), now, {"a", "b", "c"}, 4, 5, scale=2.0)

    assert_enqueued(plot, (Point(1), Point(2)), now, {"c", "b", "a"}, 4, 5, scale=2)
    assert_enqueued(plot, ANY, now, tags={"b", "a", "c"}, scale=ANY)
    assert_enqueued(plot, ANY, ANY, ANY, 4)
    refute_enqueued(plot, (Point(1), Point(3)))
    refute_enqueued(plot, ANY, ANY, {"a"})
    refute_enqueued(plot, ANY, ANY, ANY, 5)
    refute_enqueued(plot, ANY, ANY, ANY, 4, 5, 6)
    refute_enqueued(plot, scale=3)
    refute_enqueued(plot, other=ANY)


async def test_names_that_a_task_takes_itself_are_its_arguments(queue: Queue) -> None:
    @queue.task
    async def move(queue: str, priority: int, state: str = "new") -> None: ...

    await move.enqueue("a", priority=3)
    await queue.enqueue_call(move.options(priority=9).bind("b", priority=3))

    assert len(assert_enqueued(move, "a", priority=3, state="new")) == 1
    assert len(assert_enqueued(move, ANY, priority=3)) == 2
    assert len(assert_enqueued(move.options(priority=9), ANY, priority=3)) == 1
    assert len(assert_enqueued(move.bind(queue="a", priority=3))) == 1
    with pytest.raises(ArgumentsInvalid, match=r"queue is where .* by position"):
        assert_enqueued(move, queue="a")  # type: ignore[arg-type]


async def test_a_queue_beside_that_of_the_task_is_looked_in(
    queue: Queue, second_name: str, server_url: str
) -> None:
    @queue.task
    async def greet(name: str) -> None: ...

    other = Queue(second_name, server_url, namespace="test")
    await other.enqueue("greet", "Ada")
    refute_enqueued(greet)
    assert_enqueued(greet, "Ada", queue=other)
    assert_enqueued("greet", "Ada", queue=other)
    refute_enqueued("greet", "Ada", place="x", queue=other)
    refute_enqueued(greet, "Ada", queue=queue.name)  # type: ignore[arg-type]
    await other.destroy(force=True)
    await other.close()


@pytest.fixture
def second_name(queue_name: str) -> str:
    return f"{queue_name}-2"


async def test_what_no_job_can_have_is_an_error(queue: Queue) -> None:
    class Pool: ...

    @queue.task
    async def greet(name: str, *, pool: Pool = Depends()) -> None: ...

    async def plain(name: str) -> None: ...

    for look in (assert_enqueued, refute_enqueued, enqueued):
        with pytest.raises(ArgumentsInvalid, match=r"'names'. Did you mean 'name'"):
            look(greet, names="Ada")
        with pytest.raises(ArgumentsInvalid, match=r"name: str, got 5 \(int\)"):
            look(greet, 5)
        with pytest.raises(ArgumentsInvalid, match="at most 1 positional"):
            look(greet, "Ada", "Bob")
        with pytest.raises(ArgumentsInvalid, match="which cannot be encoded"):
            look(greet, object())
        with pytest.raises(ArgumentsInvalid, match="filled in when the job runs"):
            look(greet, pool=Pool())
        with pytest.raises(ArgumentsInvalid, match="a bound call has its own"):
            look(greet.bind("Ada"), "Ada")
        with pytest.raises(ArgumentsInvalid, match="a task alone"):
            look(None, "Ada", queue=queue)
        with pytest.raises(ConfigInvalid, match="cannot compare timeout"):
            look(greet, timeout=5)
        with pytest.raises(ConfigInvalid, match="priority must be"):
            look(greet, priority="high")
        with pytest.raises(ConfigInvalid, match="no state 'gone'"):
            look(greet, state="gone")
        with pytest.raises(ConfigInvalid, match="got None"):
            look("greet", "Ada")
        with pytest.raises(ConfigInvalid, match=r"takes a task, .* got <function"):
            look(plain, "Ada", queue=queue)  # type: ignore[arg-type]
        with pytest.raises(ConfigInvalid, match="as queue=, got 'other'"):
            look(greet, queue="other")  # type: ignore[arg-type]


async def test_jobs_of_a_signed_queue_are_read(server_url: str, queue_name: str) -> None:
    queue = Queue(queue_name, server_url, namespace="test", codec=SignedCodec({"k": b"k" * 32}))

    @queue.task
    async def greet(name: str) -> None: ...

    await greet.enqueue("Ada")
    assert_enqueued(greet, "Ada")
    await queue.close()


async def test_a_server_that_is_not_there_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue("app", NOWHERE)

    @queue.task
    async def greet(name: str) -> None: ...

    with pytest.raises(QueueUnavailable):
        refute_enqueued(greet)
    await queue.close()


async def test_inline_all_that_was_enqueued_in_the_block_counts() -> None:
    queue = Queue("app", NOWHERE)

    @queue.task
    async def pay(order: int) -> None:
        await receipt.options(priority=2).enqueue(order)

    @queue.task(keep_result=0, headers={"shop": "a"})
    async def receipt(order: int) -> None: ...

    @queue.task
    async def refund(order: int) -> None: ...

    async with inline(queue):
        await pay.enqueue(7)
        (job,) = assert_enqueued(pay, 7)
        assert job.state is JobState.COMPLETED
        (left,) = assert_enqueued(receipt, order=7, priority=2, headers={"shop": "a"})
        assert left.attempts is None
        refute_enqueued(refund)
        refute_enqueued(receipt, 8)
        await queue.enqueue_many([receipt.bind(number) for number in (8, 9)])
        assert [one.args for one in enqueued(receipt)] == [[7], [8], [9]]
        # What is asked for by its state is there, or is not.
        refute_enqueued(receipt, state="completed")
    async with inline(queue):
        refute_enqueued(queue=queue)
    await queue.close()


async def test_inline_the_jobs_of_a_flow_count_in_their_queues() -> None:
    one, other = Queue("one", NOWHERE), Queue("other", NOWHERE)

    @one.task(keep_result=0)
    async def first(number: int) -> None: ...

    @other.task(keep_result=0)
    async def second(number: int) -> None: ...

    async with inline(one, other):
        await one.enqueue_flow(chain(first.bind(1), second.bind(2)))
        assert len(assert_enqueued(first, 1)) == len(assert_enqueued(second, 2)) == 1
        refute_enqueued(second, 1)
    await one.close()
    await other.close()


async def test_jobs_that_run_meanwhile_are_enqueued(queue: Queue) -> None:
    started, end = asyncio.Event(), asyncio.Event()

    @queue.task
    async def work(name: str) -> None:
        started.set()
        await end.wait()

    async with Worker(queue):
        await work.enqueue("Ada")
        await started.wait()
        assert_enqueued(work, "Ada", state="running")
        assert_enqueued(work, "Ada")
        end.set()
