"""What a type checker of a user sees of tasks, jobs and results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

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
    refused = [line for line, _ in found if not line.startswith("reveal_type")]
    assert not errors
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
