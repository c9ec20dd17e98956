"""Every example runs as a program of its own, ends by itself, and prints what it promises."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sys
import uuid
from pathlib import Path

import pytest

from tests.docs.pages import DOCS

EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
SECONDS = 60.0


def promised(example: Path) -> str:
    """Return the pattern of the last line that the docstring says it prints."""
    text = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
    found = re.search(r"^Prints at the end: (.+)$", text, re.M)
    assert found is not None, f"{example.name} does not say what it prints at the end"
    return re.escape(found[1]).replace(re.escape("..."), ".+")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
async def test_an_example_runs_and_prints_what_it_promises(
    example: Path, valkey_server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = getattr(valkey_server, "url", "")
    # Examples share a server with other tests, and their queues keep their names.
    namespace = f"ex{uuid.uuid4().hex[:8]}"
    environment = {**os.environ, "AIOJOBS_REDIS_URL": url, "EXAMPLE_NAMESPACE": namespace}

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(example),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    assert re.fullmatch(promised(example), out.decode().splitlines()[-1])


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4
