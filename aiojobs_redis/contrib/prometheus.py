"""Metrics for Prometheus: what this process enqueues and runs, and how queues are.

Needs ``pip install 'aiojobs-redis[prometheus]'``. A worker of the command line serves them with
``--metrics-port``; in an application they are with the others of its registry:

    metrics = PrometheusMetrics()
    metrics.watch(queue)
    metrics.watch(worker)
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

try:
    from prometheus_client import (
        REGISTRY,
        CollectorRegistry,
        Counter,
        Histogram,
        generate_latest,
        start_http_server,
    )
except ImportError as _error:
    raise ImportError(
        "metrics need the package prometheus-client: pip install 'aiojobs-redis[prometheus]'"
    ) from _error

from aiojobs_redis.contrib._gauges import QueueGauges, WorkerGauges, read_queues
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.queue import Queue

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

    from prometheus_client.core import GaugeMetricFamily

    from aiojobs_redis.handle import Job
    from aiojobs_redis.task import BoundCall
    from aiojobs_redis.transition import Transition
    from aiojobs_redis.worker.worker import Worker

    Calls = Sequence[BoundCall[Any]]
    Next = Callable[[Calls], Awaitable[Sequence[Job[Any]]]]

__all__ = ["CONTENT_TYPE", "PrometheusMetrics", "exposition", "serve_metrics"]

M = TypeVar("M", Counter, Histogram)

CONTENT_TYPE: str = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of an exposition."""

_FINISHED = frozenset({"completed", "dead", "cancelled"})
_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_WAITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)


class PrometheusMetrics:
    """Counts what this process enqueues and runs.

    The counters are of the process and only grow: they outlive the jobs that they counted. Sum them
    over processes.

    Args:
        registry: Where they are registered; that of ``prometheus_client`` by default.

    Raises:
        ConfigInvalid: The registry has them already.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry: CollectorRegistry = registry
        try:
            self._register(registry)
        except ValueError as error:
            raise ConfigInvalid(
                f"this registry has the metrics of aiojobs_redis already ({error}): make one "
                "PrometheusMetrics a process, and let it watch all queues and workers"
            ) from error

    def _register(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"aiojobs_redis_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
            name = f"aiojobs_redis_{name}_seconds"
            return Histogram(name, text, labels, registry=registry, buckets=buckets)

        self._enqueued = counter("jobs_enqueued", "Jobs added by this process", "queue", "task")
        self._finished = counter("jobs_finished", "Jobs that ended", "queue", "task", "outcome")
        self._retried = counter("jobs_retried", "Attempts to be repeated", "queue", "task")
        self._recovered = counter("jobs_recovered", "Leases found to have run out", "queue")
        self._duration = histogram(
            "job_duration", "How long an attempt ran", _DURATIONS, "queue", "task"
        )
        self._wait = histogram(
            "job_queue_wait", "From when a job was ready until its first start", _WAITS, "queue"
        )
        self._lateness = histogram("cron_lateness", "How late a tick was", _WAITS, "queue")
        self._children: dict[tuple[int | str, ...], Counter | Histogram] = {}
        self._gauges = WorkerGauges()
        registry.register(self._gauges)

    def watch(self, *watched: Queue | Worker) -> None:
        """Count what is enqueued through queues, and what workers do, from now on.

        Args:
            watched: Queues and workers; a worker's queues are not watched with it.
        """
        for one in watched:
            if isinstance(one, Queue):
                one.add_middleware(self._counting(one.name))
            else:
                one.observe(self._note)
                self._gauges.workers.append(one)

    def _counting(self, queue: str) -> Callable[[Calls, Next], Awaitable[Sequence[Job[Any]]]]:
        def count(calls: Calls, jobs: Iterable[Job[Any]]) -> None:
            for call, job in zip(calls, jobs, strict=False):
                if job.created:
                    self._enqueued.labels(queue, call.task).inc()

        async def counted(calls: Calls, call_next: Next) -> Sequence[Job[Any]]:
            try:
                jobs = await call_next(calls)
            except Exception as error:
                # Of a call for many, some may have been accepted.
                count(getattr(error, "calls", ()), getattr(error, "jobs", ()))
                raise
            count(calls, jobs)
            return jobs

        return counted

    def _note(self, of: Transition) -> None:
        names = (of.queue, of.task)
        if of.type in _FINISHED:
            self._of(self._finished, *names, of.type).inc()
        elif of.type == "retrying":
            self._of(self._retried, *names).inc()
        elif of.type == "recovered":
            self._of(self._recovered, of.queue).inc()
        elif of.type == "enqueued":
            self._of(self._enqueued, *names).inc()
            self._of(self._lateness, of.queue).observe(of.waited or 0.0)
        elif of.type == "started" and of.waited is not None:
            self._of(self._wait, of.queue).observe(of.waited)
        if of.duration is not None:
            self._of(self._duration, *names).observe(of.duration)

    def _of(self, metric: M, *values: str) -> M:
        """Return the metric of these labels; finding it anew takes longer than counting."""
        key: tuple[int | str, ...] = (id(metric), *values)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*values)
        return cast("M", child)


class _Snapshot:
    """Collects what was read before."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> list[GaugeMetricFamily]:
        """Return it."""
        return self._families


async def exposition(
    queues: Queue | Iterable[Queue], registry: CollectorRegistry = REGISTRY
) -> bytes:
    """Return the metrics of this process, and how queues are now, in the text format.

    Redis is asked once a queue, at a cost that does not grow with the jobs.

    Args:
        queues: The queues.
        registry: That of the `PrometheusMetrics`.
    """
    asked = [queues] if isinstance(queues, Queue) else list(queues)
    snapshot = CollectorRegistry()
    snapshot.register(_Snapshot(await read_queues(asked)))
    return generate_latest(registry) + generate_latest(snapshot)


@contextlib.asynccontextmanager
async def serve_metrics(
    queues: Queue | Iterable[Queue],
    *,
    port: int,
    host: str = "127.0.0.1",
    registry: CollectorRegistry = REGISTRY,
) -> AsyncGenerator[int]:
    """Serve what `exposition` returns by HTTP, from a thread, in the block; yields the port.

    A scrape is answered also while a task blocks the event loop, then without the queues.

    Args:
        queues: The queues.
        port: The port; 0 for a free one.
        host: The address; every process that reaches it can read the metrics.
        registry: That of the `PrometheusMetrics`.

    Raises:
        ConfigInvalid: The port is taken, or the address is not one of this machine.
    """
    asked = [queues] if isinstance(queues, Queue) else list(queues)
    joined = CollectorRegistry()
    joined.register(registry)
    joined.register(QueueGauges(asked, asyncio.get_running_loop()))
    try:
        server, _ = start_http_server(port, host, joined)
    except (OSError, OverflowError) as error:
        raise ConfigInvalid(
            f"metrics cannot be served on {host}:{port}: {error}. Choose another port or address."
        ) from error
    try:
        yield server.server_port
    finally:
        # Not in the loop's own threads, all of which jobs may hold for ever.
        with ThreadPoolExecutor(1) as thread:
            await asyncio.get_running_loop().run_in_executor(thread, server.shutdown)
        server.server_close()
