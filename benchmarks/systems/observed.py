"""Drives aiojobs_redis while its jobs are logged, counted or traced, by the variable OBSERVED."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

from plumbing import ended, perform
from with_aiojobs import Aiojobs

from aiojobs_redis import Worker

HOW = os.environ["OBSERVED"]


class Observed(Aiojobs):
    def __init__(self, url: str, lease: float | None = None) -> None:
        super().__init__(url, lease)
        if HOW == "log":
            from aiojobs_redis.cli.logs import JsonFormatter

            handler = logging.FileHandler(os.devnull)
            handler.setFormatter(JsonFormatter())
            logging.basicConfig(level=logging.INFO, handlers=[handler])

    async def work(self, concurrency: int, until: asyncio.Event) -> None:
        worker = Worker(self.queue, concurrency=concurrency)
        if HOW == "prometheus":
            from aiojobs_redis.contrib.prometheus import PrometheusMetrics

            PrometheusMetrics().watch(self.queue, worker)
        elif HOW.startswith("otel"):
            from aiojobs_redis.contrib.opentelemetry import OpenTelemetry

            OpenTelemetry(**_sdk()).watch(self.queue, worker)
        running = asyncio.create_task(worker.run())
        await ended(until, running)
        worker.stop()
        await running
        await self.queue.close()


def _sdk() -> dict[str, Any]:
    """Return an SDK that makes every span and keeps none; without one nothing is made."""
    if HOW == "otel without an SDK":
        return {}
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    return {"tracer_provider": TracerProvider(), "meter_provider": MeterProvider()}


if __name__ == "__main__":
    perform(Observed)
