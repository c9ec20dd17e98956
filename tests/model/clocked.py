"""The scripts as they are shipped, but for their clock: they read the time from a key.

Redis's own clock moves inside a script on 7.0, and no test can wait for 30 days of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from aiojobs_redis._redis import scripts
from aiojobs_redis._redis.scripts import SCRIPTS, Script

__all__ = ["CLOCK", "clocked_scripts"]

CLOCK = "model-clock"

_TIME = re.compile(r"^local clock = .*\nlocal now = .*\n", re.MULTILINE)


@contextmanager
def clocked_scripts() -> Iterator[None]:
    """Let stores that are made now go by the milliseconds in the key `CLOCK`."""
    include = scripts._include
    text, replaced = _TIME.subn(
        f"local now = tonumber(redis.call('GET', '{CLOCK}'))\n", include("now")
    )
    assert replaced == 1, "include/now.lua has another form than the one that is replaced here"
    with patch.object(scripts, "_include", lambda name: text if name == "now" else include(name)):
        built = {name: Script(name) for name in SCRIPTS}
    with patch.dict(SCRIPTS, built):
        yield
