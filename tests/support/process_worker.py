"""A worker with processes: ``python -m tests.support.process_worker URL QUEUE HISTORY``."""

from __future__ import annotations

import asyncio
import sys

from aiojobs_redis import Queue, Worker
from tests.support import process_tasks

__all__ = ["build"]


def build(url: str, name: str) -> Queue:
    """Return the queue with its tasks."""
    queue = Queue(name, url=url, namespace="test")
    for function in (process_tasks.wait_for, process_tasks.hold_all_threads):
        queue.task(executor="process", lease=3, timeout=60)(function)
    return queue


def main() -> None:
    """Run a worker until it is killed, or told to stop by a signal."""
    url, name, history = sys.argv[1:]
    queue = build(url, name)
    with queue.record_history(history):
        asyncio.run(Worker(queue, processes=2, signals=True, grace=0.2).run())


if __name__ == "__main__":
    main()
