"""The scripts as they are shipped, but for their clock, or for their hashes.

No server can be run with another clock: libfaketime hangs Redis, there is one clock a machine, and
no test can wait for 30 days of it. So the shared include ``now.lua`` is replaced, in tests only.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

from aiojobs_redis import Queue
from aiojobs_redis._redis import splice
from aiojobs_redis._redis.scripts import SCRIPTS, Script
from tests.support.acl import as_admin

__all__ = [
    "CLOCK",
    "START",
    "at",
    "clocked_scripts",
    "other_release",
    "shift",
    "shifted_queue",
    "shifted_scripts",
]

CLOCK = "model-clock"
"""Key of the milliseconds that `clocked_scripts` go by."""

START = 1_700_000_000_000
"""Where tests begin that set that clock, ms."""

_OFFSET = "clock-offset"


async def at(scripts: Any, ms: int) -> None:
    """Set the clock of `clocked_scripts` to so long after `START`."""
    await scripts.raw.set(CLOCK, START + ms)


def clocked_scripts() -> Any:
    """Let stores that are made inside go by the key `CLOCK` alone, to the millisecond."""
    return _with_now(
        r"^local clock = .*\nlocal now = .*\n",
        f"local now = tonumber(redis.call('GET', '{CLOCK}'))\n",
    )


def shifted_scripts() -> Any:
    """Let queues that are made inside go by a clock that `shift` moves."""
    offset = f"(tonumber(redis.call('GET', '{_OFFSET}')) or 0)"
    return _with_now(r"^(local now = .*)$", rf"\1 + {offset}")


def other_release() -> Any:
    """Let queues that are made inside have the scripts of another release, by their hashes."""
    return _with_now(r"\A", "\ndo end")


@asynccontextmanager
async def shifted_queue(url: str, name: str, **options: Any) -> AsyncIterator[Queue]:
    """Make a queue whose clock `shift` moves, for the default user: no other may set its key."""
    with shifted_scripts():
        queue = Queue(name, as_admin(url), namespace="test", **options)
        await shift(queue, 0)
        yield queue
        await shift(queue, 0)
        await queue.close()


async def shift(queue: Any, seconds: float) -> None:
    """Set the clock of the queue's server that many seconds off the true time."""
    async with queue.store.server.borrow() as link:
        await link.call("SET", _OFFSET, round(seconds * 1000))


@contextmanager
def _with_now(pattern: str, replacement: str) -> Iterator[None]:
    with patch.dict(SCRIPTS, _built(pattern, replacement)):
        yield


# Once a process: to make all scripts takes half a second.
@cache
def _built(pattern: str, replacement: str) -> dict[str, Script]:
    read = splice._read
    text, replaced = re.subn(pattern, replacement, read("now"), flags=re.MULTILINE)
    assert replaced == 1, "include/now.lua has another form than the one that is changed here"
    with patch.object(splice, "_read", lambda name: text if name == "now" else read(name)):
        built = {name: Script(name) for name in SCRIPTS}
        for script in built.values():
            # Made now, from the text above.
            assert script.text
            assert script.keys
    return built
