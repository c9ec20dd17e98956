"""What a server says of itself, as plain data; see `Queue.server`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ServerReport"]


@dataclass(frozen=True, slots=True)
class ServerReport:
    """A server and what is wrong with it; None or empty where it does not tell.

    Attributes:
        name: ``Redis`` or ``Valkey``.
        version: Its version.
        address: Where it is, without a password.
        policy: What it does when its memory is used up; anything but ``noeviction`` loses jobs.
        used_memory: Bytes that it uses.
        max_memory: Bytes that it may use; None for no limit of its own.
        persistence: ``aof``, ``snapshots`` or ``none``: what a restart keeps.
        clients: Connections that it has.
        uptime_seconds: Since when it runs.
        ping_seconds: How long a PING took.
        problems: What is wrong with it and what to do, a sentence or two each.
    """

    name: str
    version: str
    address: str
    policy: str | None
    used_memory: int | None
    max_memory: int | None
    persistence: str | None
    clients: int | None
    uptime_seconds: int | None
    ping_seconds: float
    problems: tuple[str, ...]
