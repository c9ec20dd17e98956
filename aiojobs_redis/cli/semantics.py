"""What a server's settings are worth: the matrix of `docs/guarantees.md`, and the row that applies.

The page is tested against these rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from aiojobs_redis import Durability
    from aiojobs_redis._redis.settings import Settings

__all__ = ["ROWS", "Row", "improvements", "row_of"]


class Row(NamedTuple):
    """One row: what becomes of acknowledged jobs.

    Attributes:
        crash: When the server is killed.
        power: When its machine loses power.
        failover: When a replica takes over.
        again: Whether a job that has completed may run again.
    """

    crash: str
    power: str
    failover: str
    again: str


_UNREPLICATED: Final = "what no replica had yet is lost"
_IN_FAILOVER: Final = "after a failover only"

ROWS: Final[dict[str, Row]] = {
    "no persistence": Row("all lost", "all lost", _UNREPLICATED, _IN_FAILOVER),
    "snapshots only": Row(
        "back to the last snapshot",
        "back to the last snapshot",
        _UNREPLICATED,
        "all that finished since the snapshot",
    ),
    "append-only file, fsync no": Row(
        "none lost", "up to 30 s lost", _UNREPLICATED, "what finished in that time"
    ),
    "append-only file, fsync everysec": Row(
        "none lost",
        "1 to 2 s lost, up to 30 s in a rewrite with no-appendfsync-on-rewrite",
        _UNREPLICATED,
        "what finished in that time",
    ),
    "append-only file, fsync always": Row(
        "none lost", "none lost, if the disk tells the truth", _UNREPLICATED, _IN_FAILOVER
    ),
    "append-only file, fsync always, no-appendfsync-on-rewrite yes": Row(
        "none lost",
        "up to 30 s lost if it happens in a rewrite, otherwise none",
        _UNREPLICATED,
        "what finished in that time",
    ),
    "and Replicated(n)": Row(
        "as above",
        "as above",
        "confirmed jobs are kept if a replica that confirmed takes over",
        "completions are not confirmed: as above",
    ),
    "and Fsynced(n)": Row(
        "none of the confirmed lost",
        "none of the confirmed lost on this server",
        "as above; with n replicas: as Replicated, and on their disks",
        "completions are not confirmed: as above",
    ),
}


def row_of(settings: Settings) -> str | None:
    """Return the name of the row that a server's settings give, None where they are not known."""
    match settings.persistence:
        case "none":
            return "no persistence"
        case "snapshots":
            return "snapshots only"
        case "aof":
            # The default, where the server does not tell.
            name = f"append-only file, fsync {settings.appendfsync or 'everysec'}"
            skips = settings.appendfsync == "always" and settings.fsync_in_rewrite is False
            return f"{name}, no-appendfsync-on-rewrite yes" if skips else name
        case _:
            return None


def improvements(
    settings: Settings, durability: Durability | None, *, is_cluster: bool = False
) -> list[str]:
    """Return what would lose less, the most useful first.

    Args:
        settings: Those of the server.
        durability: That of the queue.
        is_cluster: Whether the server is a Cluster, where no durability is possible.
    """
    found: list[str] = []
    if settings.persistence in {"none", "snapshots"}:
        found.append("'appendonly yes' survives a crash")
    if settings.appendfsync == "no":
        found.append("'appendfsync everysec' loses seconds instead of half a minute")
    elif settings.appendfsync == "everysec" and settings.persistence == "aof":
        found.append("'appendfsync always' survives a power loss, at the price of each write")
    if settings.fsync_in_rewrite is False:
        found.append("'no-appendfsync-on-rewrite no' writes to disk during a rewrite too")
    if settings.replicas and not settings.min_replicas:
        found.append("'min-replicas-to-write 1' stops a master that has lost its replicas")
    if settings.replicas and durability is None and not is_cluster:
        found.append("Queue(durability=Replicated(1)) confirms each enqueue")
    if settings.policy not in {None, "noeviction"}:
        found.append("'maxmemory-policy noeviction' never evicts a queue")
    return found
