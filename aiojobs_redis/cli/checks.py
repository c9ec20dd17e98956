"""The checks of `doctor`: each looks at one thing and says how to mend it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aiojobs_redis._redis.diagnosis import Diagnosis
from aiojobs_redis.errors import AiojobsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiojobs_redis import Queue

__all__ = ["Finding", "examine"]

Status = Literal["ok", "warning", "failed"]

_PINGS = 20
_SLOW, _TOO_SLOW = 0.010, 0.100
_SKEW = 2.0
_STUCK = 60.0
_SAMPLE = 1000
_SHOWN = 3


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


async def examine(queue: Queue, app: str) -> AsyncIterator[Finding]:
    """Run the checks one after the other.

    Args:
        queue: The queue.
        app: How the command line names it, for the fixes.

    Raises:
        QueueUnavailable: Redis did not answer the first of them.
    """
    diagnosis = Diagnosis(queue.store)
    # Whatever else is wrong, without an answer to PING there is nothing to examine.
    yield await _latency(diagnosis)
    steps: list[tuple[str, Callable[[], Awaitable[Finding]]]] = [
        ("server version", lambda: _version(diagnosis)),
        ("maxmemory-policy", lambda: _policy(diagnosis)),
        ("persistence", lambda: _persistence(diagnosis)),
        ("clock skew", lambda: _skew(diagnosis)),
        ("ACL rights", lambda: _rights(diagnosis, queue)),
        ("scripts", lambda: _scripts(diagnosis)),
        ("workers", lambda: _workers(queue, app)),
        ("paused", lambda: _paused(queue)),
        ("waiting jobs", lambda: _waiting(queue, app)),
        ("parked jobs", lambda: _parked(queue, app)),
        ("records", lambda: _records(diagnosis)),
    ]
    for check, step in steps:
        try:
            yield await step()
        except AiojobsError as error:
            yield Finding(check, "failed", str(error))


async def _latency(diagnosis: Diagnosis) -> Finding:
    median = statistics.median(await diagnosis.round_trips(_PINGS))
    message = f"PING takes {median * 1000:.2f} ms (median of {_PINGS})"
    if median < _SLOW:
        return Finding("latency", "ok", message)
    fix = "Run the workers in the network of Redis; look at SLOWLOG and at the load of its host."
    return Finding("latency", "warning" if median < _TOO_SLOW else "failed", message, fix)


async def _version(diagnosis: Diagnosis) -> Finding:
    info = await diagnosis.server()
    name = "Valkey" if info.is_valkey else "Redis"
    return Finding("server version", "ok", f"{name} {info.version or 'of unknown version'}")


async def _policy(diagnosis: Diagnosis) -> Finding:
    policy = (await diagnosis.server()).maxmemory_policy
    if policy == "noeviction":
        return Finding("maxmemory-policy", "ok", "noeviction")
    if policy is None:
        return Finding("maxmemory-policy", "warning", "the server does not tell", "Allow INFO.")
    fix = "CONFIG SET maxmemory-policy noeviction, and the same in the server's configuration."
    return Finding("maxmemory-policy", "failed", f"{policy}: jobs can be evicted", fix)


async def _persistence(diagnosis: Diagnosis) -> Finding:
    kind = await diagnosis.persistence()
    fix = "CONFIG SET appendonly yes, and the same in the server's configuration."
    match kind:
        case "aof":
            return Finding("persistence", "ok", "append-only file")
        case "snapshots":
            text = "snapshots only: a crash loses the jobs since the last one"
            return Finding("persistence", "warning", text, fix)
        case "none":
            text = "none: a restart of the server loses all jobs"
            return Finding("persistence", "failed", text, fix)
        case _:
            return Finding("persistence", "warning", "the server does not tell", "Allow INFO.")


async def _skew(diagnosis: Diagnosis) -> Finding:
    skew = await diagnosis.skew()
    message = f"the server's clock is {abs(skew):.3f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) < _SKEW:
        return Finding("clock skew", "ok", message)
    fix = "Let NTP set the clocks of both hosts: 'at' and 'expires' are compared with the server's."
    return Finding("clock skew", "failed", message, fix)


async def _rights(diagnosis: Diagnosis, queue: Queue) -> Finding:
    lacking = await diagnosis.lacking()
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


async def _scripts(diagnosis: Diagnosis) -> Finding:
    return Finding("scripts", "ok", f"all {await diagnosis.load_scripts()} load")


async def _workers(queue: Queue, app: str) -> Finding:
    counts = await queue.counts()
    if counts.workers:
        return Finding("workers", "ok", f"{counts.workers} alive")
    text = f"none was seen in the last 5 s; {counts.unfinished} jobs are unfinished"
    return Finding("workers", "failed", text, f"Start one: aiojobs-redis worker {app}")


async def _paused(queue: Queue) -> Finding:
    if not (await queue.counts()).paused:
        return Finding("paused", "ok", "the queue is not paused")
    fix = "Resume it in Python: await queue.resume()"
    return Finding("paused", "failed", "the queue is paused: no job starts", fix)


async def _waiting(queue: Queue, app: str) -> Finding:
    counts = await queue.counts()
    oldest = counts.oldest_seconds or 0.0
    text = f"{counts.queued} queued, the oldest for {oldest:.1f} s"
    if oldest < _STUCK or counts.paused or not counts.workers:
        return Finding("waiting jobs", "ok", text)
    slots = sum(worker.concurrency for worker in await queue.workers())
    if counts.running >= slots:
        fix = "Start more workers, or raise their --concurrency."
        return Finding("waiting jobs", "warning", f"{text}; all {slots} slots are busy", fix)
    fix = f"Send TTIN to the worker for stacks, then restart it: aiojobs-redis worker {app}"
    return Finding("waiting jobs", "failed", f"{text}, though slots are free", fix)


async def _parked(queue: Queue, app: str) -> Finding:
    blocked = (await queue.counts()).blocked
    if not blocked:
        return Finding("parked jobs", "ok", "none")
    names = sorted({info.task for info in await queue.jobs("blocked")})
    text = f"{blocked} jobs wait for a worker that knows {', '.join(names)}"
    fix = f"Deploy workers with these tasks; see aiojobs-redis job ls {app} --state blocked"
    return Finding("parked jobs", "warning", text, fix)


async def _records(diagnosis: Diagnosis) -> Finding:
    audit = await diagnosis.audit(_SAMPLE)
    if not audit.members and not audit.records:
        text = f"records and indexes agree (sample of {_SAMPLE})"
        return Finding("records", "ok", text)
    strays = [f"{job} in {index}" for index, job in audit.members]
    parts = [f"{len(strays)} index members without a record ({_some(strays)})"] * bool(strays)
    records = audit.records
    parts += [f"{len(records)} records in no index ({_some(records)})"] * bool(records)
    fix = "Something else wrote these keys, or the server lost writes: report it with its version."
    return Finding("records", "failed", "; ".join(parts), fix)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
