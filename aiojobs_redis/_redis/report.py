"""What a page or a program shows of the server: a handful of INFO sections, nothing of the jobs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiojobs_redis._redis.advisories import advisories_for
from aiojobs_redis._redis.faults import FAULTS, translate
from aiojobs_redis._redis.probe import can_evict, read_section, read_server
from aiojobs_redis._redis.settings import read_settings
from aiojobs_redis.server import ServerReport

if TYPE_CHECKING:
    from aiojobs_redis._redis.connection import Server

__all__ = ["read_report"]

_NEARLY_FULL = 0.85


async def read_report(server: Server) -> ServerReport:
    """Ask a server about itself; of a Cluster, one of its nodes.

    Raises:
        QueueUnavailable: Redis did not answer.
    """
    try:
        async with server.borrow() as link:
            began = time.perf_counter()
            await link.call("PING")
            ping = time.perf_counter() - began
            info = await read_server(link)
            settings = await read_settings(link)
            facts = {
                **await read_section(link, "memory"),
                **await read_section(link, "clients"),
                **await read_section(link, "server"),
            }
    except FAULTS as error:
        raise translate(error, server.label) from error
    used, most = _number(facts, "used_memory"), _number(facts, "maxmemory") or None
    problems = [f"{advisory.name}: {advisory.text}." for advisory in advisories_for(info)]
    if can_evict(info.maxmemory_policy):
        problems.append(
            f"maxmemory-policy is {info.maxmemory_policy}: jobs can be evicted. "
            "CONFIG SET maxmemory-policy noeviction."
        )
    if settings.persistence == "none":
        problems.append("A restart of the server loses all jobs. CONFIG SET appendonly yes.")
    elif settings.persistence == "snapshots":
        problems.append(
            "A crash loses the jobs since the last snapshot. CONFIG SET appendonly yes."
        )
    if used and most and used > _NEARLY_FULL * most:
        problems.append(
            f"{used / most:.0%} of the memory is used: above 100 % enqueueing fails with QueueFull."
        )
    return ServerReport(
        name="Valkey" if info.is_valkey else "Redis",
        version=info.version,
        address=server.label,
        policy=info.maxmemory_policy,
        used_memory=used,
        max_memory=most,
        persistence=settings.persistence,
        clients=_number(facts, "connected_clients"),
        uptime_seconds=_number(facts, "uptime_in_seconds"),
        ping_seconds=ping,
        problems=tuple(problems),
    )


def _number(facts: dict[str, str], name: str) -> int | None:
    text = facts.get(name, "")
    return int(text) if text.isdecimal() else None
