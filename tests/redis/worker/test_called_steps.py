"""A step and a call made once take a function: one that was called already is told so."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Queue, Worker, current_job


@pytest.mark.parametrize("method", ["step", "once"])
@pytest.mark.parametrize("kind", ["coroutine", "result"])
async def test_what_was_called_already_is_refused_with_what_to_write(
    queue: Queue, method: str, kind: str
) -> None:
    async def charge() -> int:
        return 1

    @queue.task(attempts=1)
    async def work() -> str:
        run: Any = getattr(current_job(), method)
        wrong: Any = charge() if kind == "coroutine" else 5
        try:
            await run("charge", wrong)
        except ConfigInvalid as error:
            # The name is not used up by what did not run.
            assert await run("charge", charge) == 1
            return str(error)
        return "it ran"

    async with Worker(queue):
        text = await (await work.enqueue()).result(timeout=20)
    gc.collect()

    assert text.startswith(f"{method} takes a function and its arguments, got ")
    assert f"({'coroutine' if kind == 'coroutine' else 'int'})" in text
    assert f"{method}(name, function, argument), without calling the function" in text
