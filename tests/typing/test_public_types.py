"""What a type checker of a user sees of tasks, jobs and results."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.type_checker import said_of

PROGRAM = """
from aiojobs_redis import Depends, Queue

queue = Queue("types", url="memory://types")

@queue.task
async def add(first: int, second: int = 1) -> int:
    return first + second

@queue.task(attempts=5)
def shout(text: str) -> str:
    return text.upper()

class Pool: ...

@queue.task
async def count(table: str, *, pool: Pool = Depends()) -> int:
    return 1

async def main() -> None:
    await count.enqueue("jobs")
    job = await add.enqueue(1, second=2)
    reveal_type(job)
    reveal_type(await job.result())
    reveal_type(await (await shout.options(delay=1).enqueue("a")).result())
    reveal_type(add.bind(1))
    await add.enqueue("one")
    await add.enqueue(1, third=3)
    add.options(prioriy=3)
"""


@pytest.mark.slow
@pytest.mark.requirement("U2")
def test_a_type_checker_sees_arguments_options_and_results(tmp_path: Path) -> None:
    found = said_of(PROGRAM, tmp_path)
    revealed = [text for line, text in found if line.startswith("reveal_type")]
    refused = [line for line, _ in found if not line.startswith("reveal_type")]
    assert [text.partition('"')[2].rstrip('"') for text in revealed] == [
        "aiojobs_redis.handle.Job[int]",
        "int",
        "str",
        "aiojobs_redis.task.BoundCall[int]",
    ]
    assert sorted(set(refused)) == [
        "add.options(prioriy=3)",
        'await add.enqueue("one")',
        "await add.enqueue(1, third=3)",
    ]
