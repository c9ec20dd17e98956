"""The checks of `doctor`: each looks at one thing and says how to mend it.

Those of the server are in `server_checks`, those of the queue and its workers here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis._redis.diagnosis import Diagnosis
from aiojobs_redis.cli import server_checks
from aiojobs_redis.cli.server_checks import Finding
from aiojobs_redis.cli.texts import number_of
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
        ("paused", lambda: _paused(queue, app)),
        ("waiting jobs", lambda: _waiting(queue, app)),
        ("parked jobs", lambda: _parked(diagnosis, app)),
        ("records", lambda: _records(diagnosis)),
    ]
    for check, step in steps:
        try:
            yield await step()
        except AiojobsError as error:
            # The last sentence of the package's errors is what to do.
            message, _, fix = str(error).rpartition(". ")
            yield Finding(check, "failed", message or fix, fix)


async def _workers(queue: Queue, app: str) -> Finding:
    counts = await queue.counts()
    if counts.workers:
        return Finding("workers", "ok", f"{counts.workers} alive")
    text = f"none was seen in the last 5 s; {number_of(counts.unfinished, 'unfinished job')}"
    if not any((counts.unfinished, counts.completed, counts.dead, counts.cancelled)):
        text += " (workers of a queue that never had a job are not known)"
    return Finding("workers", "failed", text, f"Start one: aiojobs-redis worker {app}")


async def _paused(queue: Queue, app: str) -> Finding:
    if not (await queue.counts()).paused:
        return Finding("paused", "ok", "the queue is not paused")
    fix = f"Resume it: aiojobs-redis queue resume {app}"
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
        busy = f"{text}; {number_of(slots, 'slot')}, all busy"
        return Finding("waiting jobs", "warning", busy, fix)
    fix = f"Send TTIN to the worker for stacks, then restart it: aiojobs-redis worker {app}"
    return Finding("waiting jobs", "failed", f"{text}, though slots are free", fix)


async def _parked(diagnosis: Diagnosis, app: str) -> Finding:
    number, names = await diagnosis.parked(_SAMPLE)
    if not number:
        return Finding("parked jobs", "ok", "none")
    text = f"{number_of(number, 'job')} for which no worker knows {', '.join(names)}"
    fix = f"Deploy workers with these tasks; see aiojobs-redis job ls {app} --state blocked"
    return Finding("parked jobs", "warning", text, fix)


async def _records(diagnosis: Diagnosis) -> Finding:
    audit = await diagnosis.audit(_SAMPLE)
    if not audit.members and not audit.records:
        text = f"records and indexes agree (sample of {_SAMPLE})"
        return Finding("records", "ok", text)
    strays = [f"{job} in {index}" for index, job in audit.members]
    parts = [f"{number_of(len(strays), 'index member')} without a record ({_some(strays)})"] * bool(
        strays
    )
    records = audit.records
    parts += [f"{number_of(len(records), 'record')} in no index ({_some(records)})"] * bool(records)
    fix = "Something else wrote these keys, or the server lost writes: report it with its version."
    return Finding("records", "failed", "; ".join(parts), fix)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
