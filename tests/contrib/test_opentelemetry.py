"""Spans from the enqueue into each attempt, and their metrics, by the SDK's own exporters."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from aiojobs_redis import (
    Cancel,
    ConfigInvalid,
    Fixed,
    Job,
    JobFailed,
    Queue,
    QueueFull,
    Snooze,
    Worker,
    current_job,
)
from aiojobs_redis.contrib.opentelemetry import OpenTelemetry, Propagation
from tests.support.telemetry import Seen, attributes, context_of
from tests.support.waiting import wait_until


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.mark.behaviour("T68")
@pytest.mark.requirement("B38")
async def test_a_trace_goes_from_a_request_through_the_enqueue_into_the_task(
    queue: Queue, seen: Seen
) -> None:
    inside: list[int] = []

    @queue.task
    async def work() -> str:
        inside.append(trace.get_current_span().get_span_context().span_id)
        return "done"

    @queue.task
    def sync_work() -> str:
        inside.append(trace.get_current_span().get_span_context().span_id)
        return "done"

    worker = Worker(queue)
    seen.telemetry().watch(queue, worker)
    with seen.tracers.get_tracer("app").start_as_current_span("request") as request:
        job = await work.enqueue()
        async with worker:
            await job.result(20)
            await (await sync_work.enqueue()).result(20)
            await wait_until(lambda: len(seen.spans(SpanKind.CONSUMER)) == 2, "the spans")

    sent, _ = seen.spans(SpanKind.PRODUCER)
    ran, ran_in_thread = seen.spans(SpanKind.CONSUMER)
    assert sent.parent is not None
    assert sent.parent.span_id == request.get_span_context().span_id
    assert ran.parent is not None
    assert ran.parent.span_id == context_of(sent).span_id
    assert {context_of(span).trace_id for span in (sent, ran, ran_in_thread)} == {
        request.get_span_context().trace_id
    }
    assert inside == [context_of(ran).span_id, context_of(ran_in_thread).span_id]
    assert (sent.name, ran.name) == (f"enqueue {queue.name}", f"process {queue.name}")
    place = {name: value for name, value in attributes(sent).items() if name.startswith("server.")}
    assert place["server.address"]
    common = {"messaging.system": "aiojobs_redis", "messaging.destination.name": queue.name}
    assert attributes(sent) == common | place | {
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
        "messaging.message.id": job.id,
        "aiojobs.task": "work",
    }
    assert attributes(ran) == common | place | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": job.id,
        "aiojobs.task": "work",
        "aiojobs.attempt": 1,
    }
    info = await job.info()
    assert info is not None
    assert set(info.headers) == {"traceparent"}, "beside the arguments, not among them"


@pytest.mark.behaviour("T68")
@pytest.mark.parametrize(
    ("propagation", "parents", "links"),
    [
        ("auto", [True, False], [0, 1]),
        ("link", [False, False], [1, 1]),
        ("parent", [True, True], [0, 0]),
        ("none", [False, False], [0, 0]),
    ],
)
async def test_a_retry_is_a_trace_of_its_own_unless_told_otherwise(
    queue: Queue, seen: Seen, propagation: Propagation, parents: list[bool], links: list[int]
) -> None:
    @queue.task(attempts=2, backoff=Fixed(0))
    async def work() -> None:
        if current_job().attempt == 1:
            raise ValueError("once")

    worker = Worker(queue)
    seen.telemetry(propagation=propagation).watch(queue, worker)
    await work.enqueue()
    # The trace in which the worker was started is nobody's.
    with seen.tracers.get_tracer("app").start_as_current_span("start"):
        await worker.run(burst=True)

    [sent] = seen.spans(SpanKind.PRODUCER)
    attempts = seen.spans(SpanKind.CONSUMER)
    assert [attributes(span)["aiojobs.attempt"] for span in attempts] == [1, 2]
    mine = [s.parent is not None and s.parent.span_id == context_of(sent).span_id for s in attempts]
    assert mine == parents
    assert [span.parent is None for span in attempts] == [not parent for parent in parents]
    assert [len(span.links) for span in attempts] == links
    for link in (link for span in attempts for link in span.links):
        assert link.context.span_id == context_of(sent).span_id


async def test_errors_are_recorded_and_outcomes_that_a_task_chooses_are_none(
    queue: Queue, seen: Seen
) -> None:
    slept: list[str] = []

    @queue.task(attempts=1, timeout=0.2)
    async def work(how: str) -> None:
        if how == "fail":
            raise ValueError("what went wrong")
        if how == "cancel":
            raise Cancel("no need")
        if how == "snooze" and not slept:
            slept.append(how)
            raise Snooze(0.01)
        if how == "hang":
            await asyncio.sleep(60)

    worker = Worker(queue)
    seen.telemetry().watch(queue, worker)
    jobs: dict[str, Job[None]] = {
        how: await work.enqueue(how) for how in ("fail", "cancel", "snooze", "hang")
    }
    async with worker:
        await jobs["snooze"].result(20)
        with pytest.raises(JobFailed, match="TimeoutError"):
            await jobs["hang"].result(20)
        await wait_until(lambda: len(seen.spans(SpanKind.CONSUMER)) == 5, "the spans", 20)

    spans = {job.id: how for how, job in jobs.items()}
    found: dict[str, list[tuple[Any, ...]]] = {}
    for span in seen.spans(SpanKind.CONSUMER):
        of = attributes(span)
        how = spans[of["messaging.message.id"]]
        events = [dict(e.attributes or {})["exception.message"] for e in span.events]
        shown = (span.status.status_code, of.get("error.type"), of.get("aiojobs.outcome"), events)
        found.setdefault(how, []).append(shown)
    assert found == {
        "fail": [(StatusCode.ERROR, "ValueError", None, ["what went wrong"])],
        "cancel": [(StatusCode.UNSET, None, "cancel", [])],
        "snooze": [
            (StatusCode.UNSET, None, "snooze", []),
            (StatusCode.UNSET, None, None, []),
        ],
        "hang": [(StatusCode.ERROR, "TimeoutError", None, [])],
    }
    assert seen.metrics() == {
        "messaging.client.sent.messages": {"": 4},
        "messaging.client.operation.duration": {"": 4},
        "messaging.client.consumed.messages": {"": 5},
        "messaging.process.duration": {"": 3, "ValueError": 1, "TimeoutError": 1},
    }


async def test_a_call_for_many_is_one_span_with_their_number(
    queue: Queue, server_url: str, seen: Seen
) -> None:
    small = Queue(queue.name, url=server_url, namespace="test", max_length=260)
    seen.telemetry().watch(small)
    await small.enqueue_many([small.bind("work") for _ in range(7)])
    with pytest.raises(QueueFull):
        await small.enqueue_many([small.bind("work") for _ in range(300)])

    fine, full = seen.spans(SpanKind.PRODUCER)
    assert attributes(fine)["messaging.batch.message_count"] == 7
    assert "messaging.message.id" not in attributes(fine)
    assert attributes(full)["error.type"] == "QueueFull"
    assert seen.metrics()["messaging.client.sent.messages"] == {"": 257, "QueueFull": 50}
    jobs = await queue.jobs("queued", limit=8)
    expected = f"{context_of(fine).trace_id:032x}-{context_of(fine).span_id:016x}"
    assert [expected in job.headers["traceparent"] for job in jobs] == [True] * 7 + [False]


@pytest.mark.behaviour("T68")
async def test_ignored_tasks_and_idle_workers_make_no_spans(queue: Queue, seen: Seen) -> None:
    @queue.task
    async def ping() -> None:
        pass

    worker = Worker(queue)
    seen.telemetry(ignore=["ping"]).watch(queue, worker)
    job = await ping.enqueue()
    async with worker:
        await job.result(20)
        beats = (await queue.workers())[0].heartbeat_at

        async def beaten() -> bool:
            return (await queue.workers())[0].heartbeat_at > beats

        await wait_until(beaten, "the worker to have waited for jobs", 20)

    assert seen.exporter.get_finished_spans() == ()
    info = await job.info()
    assert info is not None
    assert info.headers == {}


async def test_jobs_of_others_run_without_a_context(queue: Queue, seen: Seen) -> None:
    @queue.task
    async def work() -> int:
        return 1

    job = await work.options(headers={"traceparent": "no such thing"}).enqueue()
    worker = Worker(queue)
    seen.telemetry().watch(worker)
    await worker.run(burst=True)

    assert await job.result(5) == 1
    [span] = seen.spans(SpanKind.CONSUMER)
    assert (span.parent, span.links) == (None, ())


async def test_what_is_wrong_is_named(queue: Queue, seen: Seen) -> None:
    with pytest.raises(ConfigInvalid, match="one of auto, link, parent, none, got 'always'"):
        OpenTelemetry(propagation="always")  # type: ignore[arg-type]
    async with Worker(queue) as worker:
        await wait_until(lambda: worker.is_running, "the worker to run")
        with pytest.raises(ConfigInvalid, match="before it runs"):
            seen.telemetry().watch(worker)


def test_without_the_extra_the_error_names_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "aiojobs_redis.contrib.opentelemetry")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(ImportError, match=r"pip install 'aiojobs-redis\[otel\]'"):
        importlib.import_module("aiojobs_redis.contrib.opentelemetry")
