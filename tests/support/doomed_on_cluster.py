"""The life of `tests.support.doomed_across` on a Cluster, killed at a command by itself.

A proxy would have to stand before each node, and the nodes name themselves to their clients; so the
process counts what it sends, and dies by the same signal.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from aiojobs_redis._redis.cluster import ClusterLink
from tests.support import doomed_across
from tests.support.killpoint import Moment

__all__ = ["live"]


async def live(url: str, folder: str, number: str, moment: str) -> None:
    """Do everything once, up to a command.

    Args:
        url: The cluster.
        folder: For the histories, and for ``count``: how many commands it took, where it lived on.
        number: Of the command, from 1; 0 for none.
        moment: Whether it dies before that command is sent, or once it is carried out.
    """
    count, plain = 0, ClusterLink.call

    async def call(self: ClusterLink, *args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        here = count == int(number)
        if here and moment == Moment.BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return await plain(self, *args, **options)
        finally:
            if here:
                os.kill(os.getpid(), signal.SIGKILL)

    ClusterLink.call = call  # type: ignore[method-assign]
    await doomed_across.live(url, folder)
    Path(folder, "count").write_text(str(count))
