"""`worker --metrics-port`: what a worker process shows to Prometheus, while it runs."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from aiojobs_redis.cli.exits import Misuse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from aiojobs_redis.queue import Queue
    from aiojobs_redis.worker.worker import Worker

__all__ = ["metrics_served"]

_log = logging.getLogger("aiojobs_redis.cli")


@contextlib.asynccontextmanager
async def metrics_served(
    worker: Worker, queues: Sequence[Queue], host: str, port: int | None
) -> AsyncGenerator[None]:
    """Serve the metrics of a worker and of its queues, in the block.

    Args:
        worker: The worker.
        queues: Its queues.
        host: The address.
        port: The port, 0 for a free one; None serves nothing.

    Raises:
        Misuse: The package prometheus-client is not installed.
        ConfigInvalid: The port is taken, or the address is not one of this machine.
    """
    if port is None:
        yield
        return
    try:
        from aiojobs_redis.contrib.prometheus import PrometheusMetrics, serve_metrics
    except ImportError as error:
        raise Misuse(f"--metrics-port: {error}") from error
    PrometheusMetrics().watch(worker, *queues)
    async with serve_metrics(queues, host=host, port=port) as taken:
        _log.info("metrics at http://%s:%d/metrics", f"[{host}]" if ":" in host else host, taken)
        yield
