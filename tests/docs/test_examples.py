"""Every example runs as a program of its own, ends by itself, and prints what it promises."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiojobs_redis._redis.connection import Server
from tests.docs.pages import DOCS
from tests.support.servers import ServerProcess

EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
SECONDS = 60.0


def promised(example: Path) -> str:
    """Return the pattern of the last line that the docstring says it prints."""
    text = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
    found = re.search(r"^Prints at the end: (.+)$", text, re.M)
    assert found is not None, f"{example.name} does not say what it prints at the end"
    return re.escape(found[1]).replace(re.escape("..."), ".+")


@pytest.fixture
def environment(valkey_server: ServerProcess) -> Iterator[dict[str, str]]:
    """The environment of an example, with a namespace of its own on the shared server."""
    namespace = f"example-{uuid.uuid4().hex[:8]}"
    yield {
        **os.environ,
        "AIOJOBS_REDIS_URL": valkey_server.url,
        "EXAMPLE_NAMESPACE": namespace,
    }
    link = Server.from_url(valkey_server.url).sync_link(5.0)
    assert link is not None
    if keys := link.call("KEYS", f"{namespace}:*"):
        link.call("UNLINK", *keys)
    link.close()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
async def test_an_example_runs_and_prints_what_it_promises(
    example: Path, environment: dict[str, str]
) -> None:
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
