"""The settings of a server that decide what it keeps of what it has acknowledged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aiojobs_redis._redis.probe import read_section, read_setting

if TYPE_CHECKING:
    from aiojobs_redis._redis.link import Link

__all__ = ["Persistence", "Settings", "read_settings"]

Persistence = Literal["aof", "snapshots", "none"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What INFO and CONFIG tell; None where the server, or an ACL rule, does not tell.

    Attributes:
        persistence: ``aof``, ``snapshots`` or ``none``.
        appendfsync: ``everysec``, ``always`` or ``no``.
        fsync_in_rewrite: Whether the append-only file is written to disk while it is rewritten.
        replicas: Replicas that are connected now.
        min_replicas: Replicas without which the server refuses to write.
        policy: What it does when it is out of memory.
    """

    persistence: Persistence | None = None
    appendfsync: str | None = None
    fsync_in_rewrite: bool | None = None
    replicas: int | None = None
    min_replicas: int | None = None
    policy: str | None = None


async def read_settings(link: Link) -> Settings:
    """Ask a server for its settings.

    Raises:
        redis.exceptions.RedisError: It could not be asked.
    """
    about = await read_section(link, "persistence")
    others = await read_section(link, "replication")
    memory = await read_section(link, "memory")
    found: dict[str, str | None] = {
        name: await read_setting(link, name)
        for name in ("save", "appendfsync", "no-appendfsync-on-rewrite", "min-replicas-to-write")
    }
    persistence: Persistence | None = None
    if about.get("aof_enabled") == "1":
        persistence = "aof"
    elif found["save"] is not None:
        persistence = "snapshots" if found["save"] else "none"
    late = found["no-appendfsync-on-rewrite"]
    least = found["min-replicas-to-write"]
    return Settings(
        persistence=persistence,
        appendfsync=found["appendfsync"],
        fsync_in_rewrite=None if late is None else late != "yes",
        replicas=int(others["connected_slaves"]) if "connected_slaves" in others else None,
        min_replicas=None if least is None else int(least),
        policy=memory.get("maxmemory_policy"),
    )
