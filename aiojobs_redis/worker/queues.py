"""The queues of a worker: one or several, of different names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.given import named
from aiojobs_redis.queue import Queue

__all__ = ["check_queues"]


def check_queues(queues: Any) -> list[Queue]:
    """Return the queues of a worker.

    Args:
        queues: What was given: a queue, or some.

    Raises:
        ConfigInvalid: There is none, one is given twice, or something is no queue.
    """
    if isinstance(queues, Queue):
        return [queues]
    if isinstance(queues, str) or not isinstance(queues, Iterable):
        raise ConfigInvalid(f"a worker takes a Queue or a list of them, got {named(queues)}")
    found = list(queues)
    for each in found:
        if not isinstance(each, Queue):
            raise ConfigInvalid(
                f"a worker takes a Queue or a list of them, got {named(each)} in the list: it runs "
                "all tasks of its queues"
            )
    names = [queue.name for queue in found]
    if not names or len(set(names)) != len(names):
        raise ConfigInvalid(f"a worker takes one queue or several of different names, got {names}")
    return found
