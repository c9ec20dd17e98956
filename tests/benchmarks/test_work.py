"""How much Python a job takes in this package, counted in bytecode instructions.

The count does not depend on the machine or its mood, so that a job that has become dearer fails a
test. Each limit is some 15 % over what was counted on CPython 3.11 to 3.13.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import aiojobs_redis
from aiojobs_redis import Queue, Worker

_PACKAGE = str(Path(aiojobs_redis.__file__).parent)
_FEW, _MANY = 200, 1_200

# Instructions a job, at most.
# Of those in the worker eight ask whether the job was cancelled before its reply was read, has
# something to report, or has anything around its function, and ten whether it is observed.
WORKER, BULK, SINGLE = 720, 280, 820


class Count:
    """Instructions executed in the package's own code, by this thread."""

    def __init__(self) -> None:
        self.instructions = 0

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.instructions += event == "opcode"
        return self.trace


@contextmanager
def counted() -> Iterator[Count]:
    count = Count()
    before = sys.gettrace()
    sys.settrace(count.trace)
    try:
        yield count
    finally:
        sys.settrace(before)


async def _drained(queue: Queue, jobs: int) -> int:
    noop = queue.tasks["noop"]
    await queue.enqueue_many([noop.bind() for _ in range(jobs)])
    with counted() as count:
        await Worker(queue, concurrency=100).run(burst=True)
    return count.instructions


def _with_a_task(queue: Queue) -> Queue:
    @queue.task
    async def noop() -> None:
        return None

    return queue


async def test_a_job_takes_few_instructions_in_the_worker(real_queue: Queue) -> None:
    queue = _with_a_task(real_queue)
    # What start and end of a worker take is in both.
    few, many = await _drained(queue, _FEW), await _drained(queue, _MANY)
    assert (many - few) / (_MANY - _FEW) <= WORKER


async def test_a_job_takes_few_instructions_in_a_bulk_enqueue(real_queue: Queue) -> None:
    queue = _with_a_task(real_queue)
    noop = queue.tasks["noop"]
    await noop.enqueue()
    with counted() as count:
        await queue.enqueue_many([noop.bind() for _ in range(_MANY)])
    assert count.instructions / _MANY <= BULK


async def test_a_single_enqueue_takes_few_instructions(real_queue: Queue) -> None:
    noop = _with_a_task(real_queue).tasks["noop"]
    await noop.enqueue()
    with counted() as count:
        for _ in range(_FEW):
            await noop.enqueue()
    assert count.instructions / _FEW <= SINGLE
