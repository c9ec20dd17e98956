"""What is no task, no call or no flow is refused with what to write instead, and nothing is left.

A coroutine that is given by mistake is closed: Python's warning of it would fail these tests.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from aiojobs_redis import ArgumentsInvalid, ConfigInvalid, Queue, Task, chain, group

Make = Callable[[Queue, Any], Any]


async def _refused(queue: Queue, make: Make, *says: str) -> None:
    add = _add(queue)
    with pytest.raises(ConfigInvalid) as caught:
        await make(queue, add)
    gc.collect()
    for words in says:
        assert words in str(caught.value)
    counts = await queue.counts()
    assert counts.queued == counts.scheduled == counts.blocked == 0
    assert await queue.schedules() == []


def _add(queue: Queue) -> Task[[int, int], int]:
    @queue.task
    async def add(a: int, b: int) -> int:
        return a + b

    return add


def _plain(number: int) -> int:
    return number


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda q, add: q.enqueue(_plain, 1), ("_plain", "(function)", "@queue.task")),
        (lambda q, add: q.enqueue(add(1, 2)), ("(coroutine)", "queue.enqueue(task, argument)")),
        (lambda q, add: q.enqueue(None, 1), ("None (NoneType)",)),
        (lambda q, add: q.enqueue(add.bind(1, 2)), ("(BoundCall)", "queue.enqueue_call(call)")),
        (lambda q, add: q.bind(_plain, 1), ("(function)", "@queue.task")),
        (lambda q, add: q.enqueue_call(add), ("enqueue_call", "(Task)", "task.bind(argument)")),
        (lambda q, add: q.enqueue_call(add.enqueue(1, 2)), ("(coroutine)", "task.enqueue")),
    ],
)
async def test_what_is_no_task_is_refused(queue: Queue, make: Make, says: tuple[str, ...]) -> None:
    await _refused(queue, make, *says)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda q, add: q.enqueue_many([add]), ("enqueue_many", "(Task)", "task.bind(argument)")),
        (lambda q, add: q.enqueue_many([add.bind(1, 2), None]), ("None (NoneType)",)),
        (
            lambda q, add: q.enqueue_many([add.enqueue(1, 2), add.enqueue(3, 4)]),
            ("(coroutine)", "task.enqueue"),
        ),
        (lambda q, add: q.enqueue_many(add.bind(1, 2)), ("one call of 'add'", "list")),
        (lambda q, add: q.enqueue_many(add), ("(Task)",)),
        (lambda q, add: q.enqueue_many("add"), ("'a' (str)",)),
        (lambda q, add: q.enqueue_flow(add.bind(1, 2)), ("(BoundCall)", "group(")),
        (lambda q, add: q.enqueue_flow([add.bind(1, 2)]), ("(list)", "group(")),
        (lambda q, add: q.enqueue_flow(add.enqueue(1, 2)), ("(coroutine)",)),
        (lambda q, add: q.enqueue_flow(chain(add.enqueue(1, 2))), ("(coroutine)",)),
        (lambda q, add: q.enqueue_flow(group(add)), ("(Task)",)),
    ],
)
async def test_what_is_no_list_of_calls_and_no_flow_is_refused(
    queue: Queue, make: Make, says: tuple[str, ...]
) -> None:
    await _refused(queue, make, *says)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda q, add: q.schedule("x", add, every=3), ("schedule", "(Task)", "task.bind(")),
        (lambda q, add: q.schedule("x", "add", every=3), ("'add' (str)",)),
        (lambda q, add: q.schedule("x", add.enqueue(1, 2), every=3), ("(coroutine)",)),
        (
            lambda q, add: q.schedule("x", add.bind(1, 2), every=3, priority=5),
            ("priority", "task.options(priority=...).bind(...)"),
        ),
        (
            lambda q, add: q.schedule("x", add.bind(1, 2), every=3, overlaps="skip"),
            ("'overlaps'", "Did you mean 'overlap'?"),
        ),
        (lambda q, add: q.schedule("x", add.bind(1, 2), every=3, zzz=1), ("'zzz'", "tz, start")),
        (lambda q, add: q.schedule("x", add.bind(1, 2), cron=60), ("cron 60",)),
        (lambda q, add: q.schedule("x", add.bind(1, 2), every=3, tz=5), ("tz 5",)),
    ],
)
async def test_a_schedule_of_no_call_or_with_unknown_fields_is_refused(
    queue: Queue, make: Make, says: tuple[str, ...]
) -> None:
    await _refused(queue, make, *says)


async def test_a_middleware_that_passes_on_what_is_no_call_is_told_so(
    server_url: str, queue_name: str
) -> None:
    async def drops(calls: Any, call_next: Any) -> Any:
        return await call_next([call.task for call in calls])

    async with Queue(queue_name, server_url, namespace="test", middleware=[drops]) as queue:
        await _refused(queue, lambda q, add: add.enqueue(1, 2), "call_next", "'add' (str)")


async def test_a_job_is_given_the_arguments_of_a_call_only(queue: Queue) -> None:
    add = _add(queue)
    job = await add.enqueue(1, 2)

    wrong: Any
    for wrong in (add, {"a": 1}, add.enqueue(3, 4)):
        with pytest.raises(ConfigInvalid, match=r"change takes a call, got .*task\.bind"):
            await job.change(wrong)
    gc.collect()
    info = await job.info()
    assert info is not None
    assert info.args == [1, 2]


@pytest.mark.parametrize("error", [None, 5, ValueError])
async def test_a_lease_fails_with_an_error_or_a_text(queue: Queue, error: Any) -> None:
    await _add(queue).enqueue(1, 2)
    [lease] = await queue.claim()

    with pytest.raises(ConfigInvalid, match="fail takes an error or a text, got"):
        await lease.fail(error)
    assert await lease.job.state() == "running"
    await lease.fail("why")
    assert await lease.job.state() == "retrying"


async def test_arguments_by_name_that_cannot_be_sent_are_told_in_whole_sentences(
    queue: Queue,
) -> None:
    with pytest.raises(ArgumentsInvalid) as caught:
        await queue.enqueue("add", object())

    text = str(caught.value)
    assert ".." not in text
    assert "the arguments for 'add': args[0] got <object object" in text
    assert text.endswith(
        ". Nothing was written. Use what MessagePack can hold: texts, numbers, "
        "bytes, lists, dicts, dates."
    )
