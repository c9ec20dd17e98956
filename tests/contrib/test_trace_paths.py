"""Where a context travels beside the plain enqueue: flows, schedules, batches, processes."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.semconv._incubating.attributes import (
    error_attributes,
    messaging_attributes,
    server_attributes,
)
from opentelemetry.semconv._incubating.metrics import messaging_metrics
from opentelemetry.trace import SpanKind, StatusCode

from aiojobs_redis import Fixed, Queue, QueueFull, Worker, chain, group, join
from tests.support import process_tasks
from tests.support.telemetry import Seen, attributes, context_of
from tests.support.waiting import wait_until

on_one_server = pytest.mark.parametrize("server_url", ["valkey"], indirect=True)


@pytest.fixture
def seen() -> Seen:
    return Seen()


def traces(spans: list[ReadableSpan]) -> set[int]:
    return {context_of(span).trace_id for span in spans}


@pytest.mark.behaviour("T68")
async def test_all_jobs_of_a_flow_are_in_the_trace_of_its_enqueue(queue: Queue, seen: Seen) -> None:
    @queue.task
    async def add(a: int) -> int:
        return a

    @queue.task
    async def total() -> str:
        return "done"

    worker = Worker(queue)
    seen.telemetry().watch(queue, worker)
    flow = chain(add.bind(1), join(group(add.bind(2), add.bind(3)), total.bind()))
    jobs = await queue.enqueue_flow(flow)
    await worker.run(burst=True)

    [sent] = seen.spans(SpanKind.PRODUCER)
    ran = seen.spans(SpanKind.CONSUMER)
    assert attributes(sent)["messaging.batch.message_count"] == len(jobs) == 4
    assert {attributes(span)["messaging.message.id"] for span in ran} == {job.id for job in jobs}
    assert traces(ran) == traces([sent])
    assert {span.parent.span_id for span in ran if span.parent} == {context_of(sent).span_id}


async def test_the_jobs_of_a_schedule_have_traces_of_their_own(queue: Queue, seen: Seen) -> None:
    @queue.cron("* * * * * *")
    async def tick() -> None:
        pass

    worker = Worker(queue)
    seen.telemetry().watch(queue, worker)
    async with worker:
        await wait_until(lambda: len(seen.spans(SpanKind.CONSUMER)) >= 2, "two ticks", 20)

    ran = seen.spans(SpanKind.CONSUMER)
    assert len(traces(ran)) == len(ran)
    assert [span for span in ran if span.parent or span.links] == []
    assert seen.spans(SpanKind.PRODUCER) == []


async def test_each_job_of_a_batch_has_a_span_in_its_own_trace(queue: Queue, seen: Seen) -> None:
    @queue.batch_task(3, wait=5)
    async def store(rows: list[int]) -> list[int]:
        return rows

    worker = Worker(queue)
    seen.telemetry().watch(queue, worker)
    jobs = [await store.enqueue(number) for number in range(3)]
    await worker.run(burst=True)

    sent, ran = seen.spans(SpanKind.PRODUCER), seen.spans(SpanKind.CONSUMER)
    parents = {attributes(span)["messaging.message.id"]: context_of(span).span_id for span in sent}
    assert set(parents) == {job.id for job in jobs}
    assert len(traces(ran)) == 3
    for span in ran:
        assert span.parent is not None
        assert span.parent.span_id == parents[attributes(span)["messaging.message.id"]]


@on_one_server
async def test_what_a_task_raises_in_a_process_has_its_own_name(queue: Queue, seen: Seen) -> None:
    options = {"executor": "process", "attempts": 1, "backoff": Fixed(0)}
    fail = queue.task(name="fail", **options)(process_tasks.fail)  # type: ignore[call-overload]
    worker = Worker(queue, processes=1)
    seen.telemetry().watch(queue, worker)
    hows = {(await fail.enqueue(how)).id: how for how in ("Snooze", "Cancel", "zero")}
    async with worker:
        await wait_until(lambda: len(seen.spans(SpanKind.CONSUMER)) == 3, "the spans", 30)

    found = {}
    for span in seen.spans(SpanKind.CONSUMER):
        of = attributes(span)
        texts = [dict(event.attributes or {}) for event in span.events]
        told = [(text["exception.type"], text["exception.message"]) for text in texts]
        how = hows[of["messaging.message.id"]]
        found[how] = (
            span.status.status_code,
            of.get("error.type"),
            of.get("aiojobs.outcome"),
            told,
        )
        assert all("process_tasks" in str(text["exception.stacktrace"]) for text in texts)
    assert found == {
        "Snooze": (StatusCode.UNSET, None, "snooze", []),
        "Cancel": (StatusCode.UNSET, None, "cancel", []),
        "zero": (
            *(StatusCode.ERROR, "ZeroDivisionError", None),
            [("ZeroDivisionError", "zero")],
        ),
    }
    assert seen.metrics()["messaging.process.duration"] == {"": 2, "ZeroDivisionError": 1}


async def test_each_job_that_was_to_be_added_is_counted_once_and_ignored_ones_are_not(
    queue: Queue, server_url: str, seen: Seen
) -> None:
    small = Queue(queue.name, url=server_url, namespace="test", max_length=251)
    seen.telemetry(ignore=["ping"]).watch(small)
    first, again = [await small.enqueue("work", unique="once") for _ in range(2)]
    assert (first.created, again.created) == (True, False)
    calls = [small.bind("ping" if number % 2 else "work") for number in range(300)]
    with pytest.raises(QueueFull) as full:
        await small.enqueue_many(calls)

    assert len(getattr(full.value, "jobs", ())) == 250
    assert seen.metrics()["messaging.client.sent.messages"] == {"": 2 + 125, "QueueFull": 25}
    await small.close()


async def test_each_name_is_one_of_the_conventions(queue: Queue, seen: Seen) -> None:
    @queue.task(attempts=1)
    async def work(fine: bool) -> None:
        if not fine:
            raise ValueError

    worker = Worker(queue)
    seen.telemetry().watch(queue, worker)
    await queue.enqueue_many([work.bind(True), work.bind(False)])
    await worker.run(burst=True)

    spans = seen.exporter.get_finished_spans()
    names = {name for span in spans for name in attributes(span)}
    known = {
        value
        for module in (messaging_attributes, server_attributes, error_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    assert {name for name in names - known if not name.startswith("aiojobs.")} == set()
    types = {one.value for one in messaging_attributes.MessagingOperationTypeValues}
    assert {attributes(span)["messaging.operation.type"] for span in spans} == {"send", "process"}
    assert {"send", "process"} <= types
    metrics = {value for value in vars(messaging_metrics).values() if isinstance(value, str)}
    assert set(seen.metrics()) - metrics == set()
    assert seen.units() == {
        "messaging.client.sent.messages": "{message}",
        "messaging.client.consumed.messages": "{message}",
        "messaging.client.operation.duration": "s",
        "messaging.process.duration": "s",
    }
