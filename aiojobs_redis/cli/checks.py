"""The checks of `doctor`: each looks at one thing and says how to mend it.

Those of the server are in `server_checks`, those of the queue and its workers here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis._redis.diagnosis import Diagnosis
from aiojobs_redis.cli import server_checks
from aiojobs_redis.cli.server_checks import Finding
from aiojobs_redis.errors import AiojobsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiojobs_redis import Queue

__all__ = ["examine"]

_STUCK = 60.0
_SAMPLE = 1000
_SHOWN = 3


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
    yield await server_checks.check_latency(diagnosis)
    steps: list[tuple[str, Callable[[], Awaitable[Finding]]]] = [
        ("server version", lambda: server_checks.check_version(diagnosis)),
        ("maxmemory-policy", lambda: server_checks.check_policy(diagnosis)),
        ("persistence", lambda: server_checks.check_persistence(diagnosis)),
        ("guarantees", lambda: server_checks.check_guarantees(diagnosis, queue)),
        ("clock skew", lambda: server_checks.check_skew(diagnosis)),
        ("ACL rights", lambda: server_checks.check_rights(diagnosis, queue)),
        ("scripts", lambda: server_checks.check_scripts(diagnosis)),
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
