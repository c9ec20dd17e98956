"""Every block of Python in the README and the documentation runs as it is printed.

The blocks of a page run one after the other in one namespace, on one event loop, as if typed into
``python -m asyncio``.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import re
import types
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import Queue, Worker
from tests.docs.pages import FRAGMENT, WITH_WORKER, Block, blocks_of, pages
from tests.quality.paths import ROOT
from tests.support.exposed import registry_restored

PAGES = [page for page in pages() if blocks_of(page)]
NOTES = {"", FRAGMENT, WITH_WORKER}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def queues_in(names: dict[str, Any]) -> list[Queue]:
    return list({id(value): value for value in names.values() if isinstance(value, Queue)}.values())


async def run_block(page: Path, block: Block, names: dict[str, Any]) -> None:
    # The tree is moved to the lines of the page, so that a traceback shows them.
    tree = ast.increment_lineno(ast.parse(block.code), block.line - 1)
    code = compile(tree, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with contextlib.AsyncExitStack() as stack:
        if block.note == WITH_WORKER:
            await stack.enter_async_context(Worker(queues_in(names)))
        outcome = types.FunctionType(code, names)()
        if inspect.iscoroutine(outcome):
            await outcome


@pytest.mark.parametrize("page", PAGES, ids=name_of)
async def test_the_code_of_a_page_runs(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A server of its own: pages use the same names of queues.
    slug = re.sub(r"\W", "-", name_of(page))
    monkeypatch.setenv("AIOJOBS_REDIS_URL", f"memory://docs-{slug}")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": slug}
    with registry_restored():
        try:
            for block in blocks_of(page):
                if block.note != FRAGMENT:
                    await run_block(page, block, names)
        finally:
            for queue in queues_in(names):
                await queue.close()


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_block_is_marked_in_a_known_way(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert {block.note for block in blocks_of(page)} <= NOTES
    assert text.count("```python") == len(blocks_of(page))


def test_few_blocks_are_fragments() -> None:
    blocks = [block for page in PAGES for block in blocks_of(page)]

    assert sum(block.note == FRAGMENT for block in blocks) <= len(blocks) // 5
