"""Traces and metrics by OpenTelemetry, from the enqueue of a job into each of its attempts.

Needs ``pip install 'aiojobs-redis[otel]'``; the SDK and its exporters are the application's. Names
are those of OpenTelemetry's conventions for messaging, which are still in development:

    telemetry = OpenTelemetry()
    telemetry.watch(queue, worker)

The context of a trace travels as a header of the job, ``traceparent``, beside its arguments.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

try:
    from opentelemetry import metrics, propagate, trace
    from opentelemetry.context import Context
    from opentelemetry.trace import INVALID_SPAN, Link, SpanKind, Status, StatusCode
except ImportError as _error:
    raise ImportError(
        "traces need the package opentelemetry-api: pip install 'aiojobs-redis[otel]'"
    ) from _error

from aiojobs_redis.errors import AttemptFailed, ConfigInvalid
from aiojobs_redis.outcome import Cancel, Snooze, Throttle, WaitFor
from aiojobs_redis.queue import Queue
from aiojobs_redis.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from opentelemetry.trace import Span

    from aiojobs_redis.context import JobContext
    from aiojobs_redis.handle import Job
    from aiojobs_redis.task import BoundCall
    from aiojobs_redis.worker.worker import Worker

    Calls = Sequence[BoundCall[Any]]
    EnqueueNext = Callable[[Calls], Awaitable[Sequence[Job[Any]]]]
    JobNext = Callable[[JobContext], Awaitable[Any]]
    Attributes = dict[str, str | int]

__all__ = ["OpenTelemetry", "Propagation"]

Propagation: TypeAlias = Literal["auto", "link", "parent", "none"]

_SYSTEM = "aiojobs_redis"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_NO_ERRORS = (Cancel, Snooze, Throttle, WaitFor)
"""Outcomes that a task chooses."""
_CHOSEN = frozenset(kind.__name__ for kind in _NO_ERRORS)
"""How they are called where the attempt ran in a process of its own."""


class OpenTelemetry:
    """Makes spans and metrics of what this process enqueues and runs.

    A span ``enqueue <queue>`` is around each enqueue, one ``process <queue>`` around each attempt;
    waiting for jobs makes none.

    Args:
        propagation: How an attempt belongs to the enqueue of its job. ``auto``: the first is a
            child of it, so both are one trace; one that follows, hours later perhaps, begins a
            trace of its own with a link to it. ``link``: each begins one. ``parent``: each is a
            child. ``none``: nothing travels with the job.
        ignore: Names of tasks whose jobs make no span, carry no context and are not counted.
        tracer_provider: Makes the tracer; the global one by default.
        meter_provider: Makes the meter; the global one by default.

    Raises:
        ConfigInvalid: The propagation does not exist.
    """

    def __init__(
        self,
        *,
        propagation: Propagation = "auto",
        ignore: Collection[str] = (),
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        if propagation not in get_args(Propagation):
            raise ConfigInvalid(
                f"propagation must be one of {', '.join(get_args(Propagation))}, "
                f"got {propagation!r:.80}"
            )
        self._propagation = propagation
        self._ignored = frozenset([ignore] if isinstance(ignore, str) else ignore)
        self._places: dict[str, Attributes] = {}
        self._tracer = trace.get_tracer(_SYSTEM, VERSION, tracer_provider)
        meter = metrics.get_meter(_SYSTEM, VERSION, meter_provider)

        def durations(name: str, text: str) -> metrics.Histogram:
            return meter.create_histogram(
                name, "s", text, explicit_bucket_boundaries_advisory=_SECONDS
            )

        self._sent = meter.create_counter(
            "messaging.client.sent.messages", "{message}", "Jobs that were to be added"
        )
        self._consumed = meter.create_counter(
            "messaging.client.consumed.messages", "{message}", "Attempts that began here"
        )
        self._operation = durations("messaging.client.operation.duration", "How long enqueues took")
        self._process = durations("messaging.process.duration", "How long attempts took")

    def watch(self, *watched: Queue | Worker) -> None:
        """Make spans and metrics of them from now on.

        Args:
            watched: Queues, whose enqueues are traced, and workers that do not run yet, whose
                attempts are.

        Raises:
            ConfigInvalid: A worker runs already.
        """
        for one in watched:
            if isinstance(one, Queue):
                self._place(one)
                one.add_middleware(self._around_enqueue(one.name))
            else:
                for queue in one.queues:
                    self._place(queue)
                one.add_middleware(self._around_attempt)

    def _place(self, queue: Queue) -> None:
        self._places[queue.name] = {
            "messaging.system": _SYSTEM,
            "messaging.destination.name": queue.name,
            **_address(queue.store.server.label),
        }

    def _around_enqueue(
        self, queue: str
    ) -> Callable[[Calls, EnqueueNext], Awaitable[Sequence[Job[Any]]]]:
        common: Attributes = self._places[queue] | {
            "messaging.operation.name": "enqueue",
            "messaging.operation.type": "send",
        }

        async def enqueue(calls: Calls, call_next: EnqueueNext) -> Sequence[Job[Any]]:
            traced = [call for call in calls if call.task not in self._ignored]
            if not traced:
                return await call_next(calls)
            tasks = sorted({call.task for call in traced})
            attributes = common | {"aiojobs.task": tasks[0]} if len(tasks) == 1 else dict(common)
            if len(calls) > 1:
                attributes["messaging.batch.message_count"] = len(calls)
            started, sent = time.perf_counter(), 0
            outcome = common
            with self._tracer.start_as_current_span(
                f"enqueue {queue}",
                kind=SpanKind.PRODUCER,
                attributes=attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                try:
                    jobs = await call_next(self._carrying(calls))
                    sent = len(traced)
                    if len(calls) == 1:
                        span.set_attribute("messaging.message.id", jobs[0].id)
                    return jobs
                except BaseException as error:
                    outcome = common | _failed(span, error)
                    # Of a call for many, some may have been accepted.
                    accepted = getattr(error, "calls", ())
                    sent = sum(call.task not in self._ignored for call in accepted)
                    self._sent.add(len(traced) - sent, outcome)
                    raise
                finally:
                    if sent:
                        self._sent.add(sent, common)
                    self._operation.record(time.perf_counter() - started, outcome)

        return enqueue

    def _carrying(self, calls: Calls) -> Calls:
        """Return the calls with the context of the current span in their headers."""
        carrier: dict[str, str] = {}
        if self._propagation != "none":
            propagate.inject(carrier)
        if not carrier:
            return calls
        return [
            call if call.task in self._ignored else call.with_headers(carrier) for call in calls
        ]

    async def _around_attempt(self, job: JobContext, call_next: JobNext) -> Any:
        if job.task in self._ignored:
            return await call_next(job)
        common: Attributes = self._places[job.queue] | {
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
        }
        self._consumed.add(1, common)
        context, links = self._origin(job)
        started, outcome = time.perf_counter(), common
        with self._tracer.start_as_current_span(
            f"process {job.queue}",
            context=context,
            kind=SpanKind.CONSUMER,
            attributes=common
            | {
                "messaging.message.id": job.id,
                "aiojobs.task": job.task,
                "aiojobs.attempt": job.attempt,
            },
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await call_next(job)
            except BaseException as error:
                kind = error.error_type if isinstance(error, AttemptFailed) else ""
                if kind in _CHOSEN or isinstance(error, _NO_ERRORS):
                    chosen = kind or type(error).__name__
                    span.set_attribute("aiojobs.outcome", chosen.lower())
                else:
                    outcome = common | _failed(span, error, timed_out=job.timed_out)
                raise
            finally:
                self._process.record(time.perf_counter() - started, outcome)

    def _origin(self, job: JobContext) -> tuple[Context, list[Link]]:
        """Return the context in which an attempt begins, and what it is linked to."""
        if self._propagation == "none":
            return Context(), []
        # Not from where the worker was started: a job has nothing to do with that.
        context = propagate.extract(job.headers, Context())
        origin = trace.get_current_span(context).get_span_context()
        first = job.attempt == 1 and job.generation == 1 and not job.lost_deliveries
        if self._propagation == "parent" or (self._propagation == "auto" and first):
            return context, []
        alone = trace.set_span_in_context(INVALID_SPAN, context)
        return alone, [Link(origin)] if origin.is_valid else []


def _address(label: str) -> Attributes:
    """Return host and port by the label of a server, which has no password in it."""
    found = re.search(r"(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d+)(?:/|,|$)", label)
    if found is None:
        return {"server.address": label}
    return {"server.address": found["host"], "server.port": int(found["port"])}


def _failed(span: Span, error: BaseException, *, timed_out: bool = False) -> Attributes:
    """Note on a span what was raised; the attribute for the metrics."""
    if isinstance(error, asyncio.CancelledError):
        kind = "TimeoutError" if timed_out else "cancelled"
    elif isinstance(error, AttemptFailed):
        kind = error.error_type
        # The exception stayed in its process; this stands for it.
        names = ("exception.type", "exception.message", "exception.stacktrace")
        values = (kind, error.message, error.traceback)
        span.record_exception(error, dict(zip(names, values, strict=True)))
    else:
        kind = type(error).__name__
        if isinstance(error, Exception):
            span.record_exception(error)
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind))
    return {"error.type": kind}
