"""What a server says of itself, and whether it is fit for a queue."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from redis import exceptions as redis_errors

from aiojobs_redis._redis.faults import Fault, classify
from aiojobs_redis.errors import RedisIncompatible

if TYPE_CHECKING:
    from aiojobs_redis._redis.link import Link

__all__ = [
    "Memory",
    "ServerInfo",
    "can_evict",
    "check_server",
    "read_memory",
    "read_section",
    "read_server",
    "read_setting",
    "warn_of_eviction",
]

_log = logging.getLogger("aiojobs_redis")

_OLDEST_REDIS: Final = (7, 0)
_OLDEST_VALKEY: Final = (7, 2)
_SAFE_POLICY: Final = "noeviction"
_NEARLY_FULL: Final = 0.95


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What INFO tells; empty or None where the server, or an ACL rule, does not tell."""

    version: str
    is_valkey: bool
    maxmemory_policy: str | None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version for comparisons; empty where it is not known."""
        parts = self.version.partition("-")[0].split(".")
        return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()


async def read_server(link: Link) -> ServerInfo:
    """Ask a server for its version and its memory policy.

    Raises:
        redis.exceptions.RedisError: It could not be asked.
    """
    about = await read_section(link, "server")
    memory = await read_section(link, "memory")
    is_valkey = "valkey_version" in about
    version = about.get("valkey_version") or about.get("redis_version", "")
    return ServerInfo(version, is_valkey, memory.get("maxmemory_policy"))


async def check_server(link: Link) -> ServerInfo:
    """Ask a server for its version and its memory policy, and see that it is fit.

    Logs a warning when the policy lets jobs be evicted.

    Args:
        link: A link to it.

    Returns:
        What it told.

    Raises:
        RedisIncompatible: Older than Redis 7.0 or Valkey 7.2.
        redis.exceptions.RedisError: It could not be asked.
    """
    about = await read_server(link)
    _require(about.version, is_valkey=about.is_valkey, server=link.server)
    if can_evict(about.maxmemory_policy):
        warn_of_eviction(about.maxmemory_policy, link.server)
    return about


@dataclass(frozen=True, slots=True)
class Memory:
    """What a server says of its memory.

    Attributes:
        room: Bytes until 95 % of its limit are used, None where there is no limit.
        policy: What it does when the limit is reached, None where it does not tell.
    """

    room: int | None
    policy: str | None


async def read_memory(link: Link) -> Memory:
    """Ask a server for its memory.

    Raises:
        redis.exceptions.RedisError: It could not be asked.
    """
    memory = await read_section(link, "memory")
    limit, used = int(memory.get("maxmemory", 0)), int(memory.get("used_memory", 0))
    room = int(limit * _NEARLY_FULL) - used if limit > 0 else None
    return Memory(room, memory.get("maxmemory_policy"))


def can_evict(policy: str | None) -> bool:
    """Whether a server of this policy may throw jobs away."""
    return policy not in (None, _SAFE_POLICY)


def warn_of_eviction(policy: str | None, server: str) -> None:
    """Log that jobs can be evicted, with the way out."""
    _log.warning(
        "Redis maxmemory-policy is %r: jobs can be evicted. Set %r (CONFIG SET "
        "maxmemory-policy %s) on %s.",
        policy,
        _SAFE_POLICY,
        _SAFE_POLICY,
        server,
    )


def _require(version: str, *, is_valkey: bool, server: str) -> None:
    name, oldest = ("Valkey", _OLDEST_VALKEY) if is_valkey else ("Redis", _OLDEST_REDIS)
    numbers = version.split(".")[:2]
    if not all(number.isdecimal() for number in numbers):
        return
    if tuple(map(int, numbers)) < oldest:
        need = ".".join(map(str, oldest))
        raise RedisIncompatible(
            f"{name} at {server} is too old: got {version}, need {need} or newer. "
            "Upgrade the server, or try the queue with embedded://."
        )


async def read_section(link: Link, name: str) -> dict[str, str]:
    """Return a section of INFO; empty where the server, or an ACL rule, does not tell.

    Raises:
        redis.exceptions.RedisError: It could not be asked.
    """
    try:
        reply: bytes = await link.call("INFO", name)
    except redis_errors.ResponseError as error:
        # An ACL without INFO, or the in-memory server, which does not know it.
        if classify(error) is Fault.RETRY:
            raise
        return {}
    fields = (line.partition(":") for line in reply.decode(errors="replace").splitlines())
    return {key: value.strip() for key, colon, value in fields if colon}


async def read_setting(link: Link, name: str) -> str | None:
    """Return a value of CONFIG; None where the server, or an ACL rule, does not tell.

    Raises:
        redis.exceptions.RedisError: It could not be asked.
    """
    try:
        pair: list[bytes] = await link.call("CONFIG", "GET", name)
    except redis_errors.ResponseError as error:
        # Managed servers refuse CONFIG, or have renamed it.
        if classify(error) is Fault.RETRY:
            raise
        return None
    return pair[1].decode(errors="replace") if len(pair) > 1 else None
