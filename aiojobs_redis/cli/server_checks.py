"""The checks of `doctor` that look at Redis itself, and what a check returns."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aiojobs_redis._redis.advisories import advisories_for
from aiojobs_redis.cli.semantics import ROWS, improvements, row_of

if TYPE_CHECKING:
    from aiojobs_redis import Queue
    from aiojobs_redis._redis.diagnosis import Diagnosis

__all__ = [
    "Finding",
    "check_guarantees",
    "check_latency",
    "check_persistence",
    "check_policy",
    "check_rights",
    "check_scripts",
    "check_skew",
    "check_version",
]

Status = Literal["ok", "warning", "failed"]

_PINGS = 20
_SLOW, _TOO_SLOW = 0.010, 0.100
_SKEW = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: Name of the check.
        status: ``ok``, ``warning`` or ``failed``.
        message: What was found, with its value.
        fix: What to do about it; empty where nothing is to be done.
    """

    check: str
    status: Status
    message: str
    fix: str = ""


async def check_latency(diagnosis: Diagnosis) -> Finding:
    """Look at how long a PING takes."""
    median = statistics.median(await diagnosis.round_trips(_PINGS))
    message = f"PING takes {median * 1000:.2f} ms (median of {_PINGS})"
    if median < _SLOW:
        return Finding("latency", "ok", message)
    fix = "Run the workers in the network of Redis; look at SLOWLOG and at the load of its host."
    return Finding("latency", "warning" if median < _TOO_SLOW else "failed", message, fix)


async def check_version(diagnosis: Diagnosis) -> Finding:
    """Look at the version of the server, and at what is known against it."""
    info = await diagnosis.server()
    name = "Valkey" if info.is_valkey else "Redis"
    message = f"{name} {info.version or 'of unknown version'}"
    known = advisories_for(info)
    if not known:
        return Finding("server version", "ok", message)
    against = "; ".join(f"{advisory.name}: {advisory.text}" for advisory in known)
    fix = "Upgrade, or see in the distribution's changelog whether it has mended this release."
    return Finding("server version", "warning", f"{message}. {against}", fix)


async def check_policy(diagnosis: Diagnosis) -> Finding:
    """Look at whether jobs can be evicted."""
    policy = (await diagnosis.server()).maxmemory_policy
    if policy == "noeviction":
        return Finding("maxmemory-policy", "ok", "noeviction")
    if policy is None:
        return Finding("maxmemory-policy", "warning", "the server does not tell", "Allow INFO.")
    fix = "CONFIG SET maxmemory-policy noeviction, and the same in the server's configuration."
    return Finding("maxmemory-policy", "failed", f"{policy}: jobs can be evicted", fix)


async def check_persistence(diagnosis: Diagnosis) -> Finding:
    """Look at what a restart of the server keeps."""
    fix = "CONFIG SET appendonly yes, and the same in the server's configuration."
    match (await diagnosis.settings()).persistence:
        case "aof":
            return Finding("persistence", "ok", "append-only file")
        case "snapshots":
            text = "snapshots only: a crash loses the jobs since the last one"
            return Finding("persistence", "warning", text, fix)
        case "none":
            text = "none: a restart of the server loses all jobs"
            return Finding("persistence", "failed", text, fix)
        case _:
            text = "the server does not tell"
            return Finding("persistence", "warning", text, "Allow INFO and CONFIG GET.")


async def check_guarantees(diagnosis: Diagnosis, queue: Queue) -> Finding:
    """Tell what the server's settings are worth, and what would be worth more."""
    settings = await diagnosis.settings()
    name, durability = row_of(settings), queue.durability
    better = improvements(settings, durability, is_cluster=queue.store.server.is_cluster)
    more = f" To lose less: {'; '.join(better)}." if better else ""
    if name is None:
        text = f"not known: the server does not tell its settings.{more}"
        return Finding("guarantees", "warning", text, "Allow INFO and CONFIG GET.")
    row = ROWS[name]
    text = (
        f"{name}. Of acknowledged jobs, when Redis crashes: {row.crash}; when its machine loses "
        f"power: {row.power}; in a failover: {row.failover}. Completed jobs that may run again: "
        f"{row.again}."
    )
    if durability is not None:
        text += f" This queue waits for {durability!r}."
    if settings.persistence == "aof" and settings.appendfsync is None:
        text += " That is for the default, since the server does not tell its settings."
        return Finding("guarantees", "warning", text + more, "Allow CONFIG GET (+config|get).")
    return Finding("guarantees", "ok", text + more)


async def check_skew(diagnosis: Diagnosis) -> Finding:
    """Compare the server's clock with this host's."""
    skew = await diagnosis.skew()
    message = f"the server's clock is {abs(skew):.3f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) < _SKEW:
        return Finding("clock skew", "ok", message)
    fix = "Let NTP set the clocks of both hosts: 'at' and 'expires' are compared with the server's."
    return Finding("clock skew", "failed", message, fix)


async def check_rights(diagnosis: Diagnosis, queue: Queue) -> Finding:
    """Look for rights that the user of the connection lacks."""
    lacking = await diagnosis.lacking(queue.durability)
    if lacking is None:
        text = "not checked: this server, or this user's rights, do not let a client ask"
        return Finding("ACL rights", "ok" if queue.store.server.in_memory else "warning", text)
    prefix = f"{queue.namespace}:{{{queue.name}}}:*"
    rules = [f"+{name}" for name in lacking.commands]
    rules += [f"~{prefix}"] * lacking.keys + [f"&{prefix}"] * lacking.channels
    user = lacking.user or "this user"
    if not rules:
        return Finding("ACL rights", "ok", f"{user} may do all that the queue needs")
    parts = ["commands " + ", ".join(lacking.commands)] * bool(lacking.commands)
    parts += [f"keys {prefix}"] * lacking.keys + [f"channels {prefix}"] * lacking.channels
    fix = f"ACL SETUSER {lacking.user or '<user>'} {' '.join(rules)}"
    return Finding("ACL rights", "failed", f"{user} may not use {'; '.join(parts)}", fix)


async def check_scripts(diagnosis: Diagnosis) -> Finding:
    """Load the scripts."""
    return Finding("scripts", "ok", f"all {await diagnosis.load_scripts()} load")
