"""The scripts as they are shipped, but for their clock: Redis's own plus an offset from a key.

No server can be run with another clock: libfaketime hangs Redis, and there is one clock a machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from aiojobs_redis._redis import scripts
from aiojobs_redis._redis.scripts import SCRIPTS, Script

__all__ = ["shift", "shifted_scripts"]

_OFFSET = "clock-offset"
_NOW = re.compile(r"^(local now = .*)$", re.MULTILINE)


@contextmanager
def shifted_scripts() -> Iterator[None]:
    """Let queues that are made now go by a clock that `shift` moves."""
    include = scripts._include
    ahead = rf"\1 + (tonumber(redis.call('GET', '{_OFFSET}')) or 0)"
    text, replaced = _NOW.subn(ahead, include("now"))
    assert replaced == 1, "include/now.lua has another form than the one that is changed here"
    with patch.object(scripts, "_include", lambda name: text if name == "now" else include(name)):
        built = {name: Script(name) for name in SCRIPTS}
    with patch.dict(SCRIPTS, built):
        yield


async def shift(queue: Any, seconds: float) -> None:
    """Set the clock of the queue's server that many seconds off the true time."""
    async with queue.store.server.borrow() as link:
        await link.call("SET", _OFFSET, round(seconds * 1000))
