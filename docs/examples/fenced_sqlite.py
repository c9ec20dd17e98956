"""An effect that is there once, though its task runs twice: SQLite checks in the transaction.

Prints at the end: 2 attempts, 1 payment; a stale write was refused
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from pathlib import Path

from aiojobs_redis import Queue, Worker, current_job

queue = Queue(
    "payments",
    os.environ.get("AIOJOBS_REDIS_URL", "embedded://"),
    namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"),
)
database = Path(tempfile.mkdtemp()) / "payments.db"
attempts = 0

TABLES = """
CREATE TABLE done_jobs (queue TEXT NOT NULL, job TEXT NOT NULL, PRIMARY KEY (queue, job));
CREATE TABLE fences (resource TEXT PRIMARY KEY, fence BIGINT NOT NULL);
CREATE TABLE payments (account TEXT NOT NULL, cents INTEGER NOT NULL);
"""
ONCE = """
INSERT INTO done_jobs (queue, job) VALUES (:queue, :job)
ON CONFLICT (queue, job) DO NOTHING
"""
NOT_STALE = """
INSERT INTO fences (resource, fence) VALUES (:resource, :fence)
ON CONFLICT (resource) DO UPDATE SET fence = excluded.fence
WHERE fences.fence <= excluded.fence
"""


class Stale(Exception):
    """A newer attempt has written to the resource."""


def write(db: sqlite3.Connection, resource: str, fence: int) -> None:
    """Let the resource remember who writes; in the transaction of the write itself."""
    if not db.execute(NOT_STALE, {"resource": resource, "fence": fence}).rowcount:
        raise Stale(resource)


@queue.task(attempts=2, backoff=[0.05])
def pay(account: str, cents: int) -> None:
    global attempts
    attempts += 1
    job = current_job()
    db = sqlite3.connect(database)
    with db:  # one transaction: all of it, or nothing
        if db.execute(ONCE, {"queue": job.queue, "job": job.id}).rowcount:
            write(db, account, job.fencing_token)
            db.execute("INSERT INTO payments VALUES (?, ?)", (account, cents))
    db.close()
    if job.attempt == 1:
        raise ConnectionError("lost after the commit, before the job could complete")


async def main() -> None:
    db = sqlite3.connect(database)
    db.executescript(TABLES)
    async with queue, Worker(queue):
        job = await pay.enqueue("alice", 1000)
        await job.result(timeout=10)
    payments = db.execute("SELECT count(*) FROM payments").fetchone()[0]
    try:
        with db:
            write(db, "alice", 1)  # an attempt of long ago wakes up
        outcome = "was accepted"
    except Stale:
        outcome = "was refused"
    db.close()
    print(f"{attempts} attempts, {payments} payment; a stale write {outcome}")


asyncio.run(main())
