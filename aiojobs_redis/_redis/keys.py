"""The names of a queue's keys: a fixed set, all in one hash slot, none built from a job id."""

from __future__ import annotations

import re

from aiojobs_redis.errors import ConfigInvalid

__all__ = ["KEY_NAMES", "check_name", "queue_keys"]

KEY_NAMES = (
    "jobs",
    "runs",
    "ready",
    "suspects",
    "scheduled",
    "retrying",
    "leases",
    "blocked",
    "completed",
    "kept",
    "cancelled",
    "dead",
    "results",
    "errors",
    "unknown",
    "wake",
    "due",
    "schedules",
    "ticks",
    "ops",
    "producers",
    "rates",
    "waiters",
    "unique",
    "followers",
    "events",
    "stats",
    "workers",
    "edges",
    "flows",
    "meta",
    "extras",
    "once",
    "once_ends",
    "limits",
    "tags",
    "slots",
    "opens",
    "starts",
    "actions",
)

_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


def check_name(what: str, name: str) -> str:
    """Return ``name`` if it may be part of a key.

    Args:
        what: What is named, for the message: ``queue``, ``namespace`` or ``task``.
        name: 1 to 128 characters of ``A-Z a-z 0-9 _ . : -``.

    Raises:
        ConfigInvalid: Any other name.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = repr(name)[:80]
        raise ConfigInvalid(
            f"{what} name {shown} is not allowed: use 1 to 128 characters of A-Z a-z 0-9 _ . : -"
        )
    return name


def queue_keys(namespace: str, queue: str) -> dict[str, bytes]:
    """Return every key of a queue by its short name, as ``<namespace>:{<queue>}:<name>``."""
    prefix = f"{namespace}:{{{queue}}}:"
    return {name: (prefix + name).encode() for name in KEY_NAMES}
