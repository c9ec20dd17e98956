"""What a type checker of a user sees of batch tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.type_checker import said_of

PROGRAM = """
from aiojobs_redis import Queue

queue = Queue("types", url="memory://types")

@queue.batch_task(size=10)
async def length(texts: list[str]) -> list[int | Exception]:
    return [len(text) for text in texts]

@queue.batch_task(size=10, wait=1, attempts=2)
def store(texts: list[str]) -> None: ...

@queue.batch_task(size=10)
def upper(texts: list[str]) -> list[str]:
    return [text.upper() for text in texts]

async def main() -> None:
    reveal_type(await (await length.enqueue("a")).result())
    reveal_type(await (await upper.enqueue("a")).result())
    reveal_type(store.bind("a"))
    await length.enqueue(["a"])
    await upper.enqueue("a", "b")

@queue.batch_task(size=10, prioriy=3)
def misspelt(texts: list[str]) -> None: ...
"""


@pytest.mark.slow
@pytest.mark.requirement("U2")
def test_a_type_checker_sees_one_item_and_one_result(tmp_path: Path) -> None:
    found = said_of(PROGRAM, tmp_path)
    revealed = [text for line, text in found if line.startswith("reveal_type")]
    refused = {line for line, _ in found if not line.startswith("reveal_type")}
    assert [text.partition('"')[2].rstrip('"') for text in revealed] == [
        "int",
        "str",
        "aiojobs_redis.task.BoundCall[None]",
    ]
    assert refused == {
        'await length.enqueue(["a"])',
        'await upper.enqueue("a", "b")',
        "@queue.batch_task(size=10, prioriy=3)",
    }
