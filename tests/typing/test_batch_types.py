"""What a type checker of a user sees of batch tasks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

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
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    output, errors, _ = api.run(
        ["--strict", "--no-error-summary", f"--cache-dir={tmp_path}", str(program)]
    )
    lines = PROGRAM.splitlines()
    found = [
        (lines[int(match[1]) - 1].strip(), match[2])
        for match in re.finditer(r"program\.py:(\d+): (?:error|note): (.*)", output)
    ]
    revealed = [text for line, text in found if line.startswith("reveal_type")]
    refused = {line for line, _ in found if not line.startswith("reveal_type")}
    assert not errors
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
