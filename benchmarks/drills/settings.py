"""How each system is set for the drills, and what it is by default."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LEASE", "SETTINGS", "Setting"]

# What every driver is asked for, seconds.
LEASE = 3.0


class Setting(NamedTuple):
    """The crash recovery of one system.

    Attributes:
        lease: Seconds for which a lost job is surely not run again, as set here.
        text: What is set.
        default: What it is by default.
    """

    lease: float
    text: str
    default: str


SETTINGS = {
    "aiojobs_redis": Setting(LEASE, "`lease=3`", "15 s"),
    "ardiq": Setting(
        LEASE, "`idle_timeout_ms=3000`; prefetch 2 x concurrency, its default", "60 s"
    ),
    "blitzq": Setting(LEASE, "`visibility_timeout=3`", "60 s"),
    "taskiq": Setting(
        LEASE,
        "`RedisStreamBroker(idle_timeout=3000, unacknowledged_lock_timeout=3, xread_count=10)`, "
        "`max_prefetch=0`, its default; redis-py retries 15 times with back-off (by default 10 "
        "times, which is over before Redis is back, and workers exit)",
        "10 min (`idle_timeout`); the lock of a killed worker stays for ever",
    ),
    "docket": Setting(
        LEASE, "`redelivery_timeout=3 s`, `reconnection_delay=1 s`", "5 min; 5 s to reconnect"
    ),
    "arq": Setting(
        LEASE + 10,
        "`job_timeout=3`: a lost job is free after 13 s, since 10 s are added in any case; "
        "redis-py retries 15 times with back-off (by default it does not, and workers exit)",
        "310 s (`job_timeout` + 10 s)",
    ),
    "bullmq": Setting(
        LEASE,
        "`lockDuration=3000`, `stalledInterval=1500`, `maxStalledCount=10`, `runRetryDelay=1000`",
        "30 s locks, looked at every 30 s; the second loss fails a job",
    ),
    "saq": Setting(
        LEASE,
        "`heartbeat=3`, `timeout=60`, `retries=5`, sweep every second",
        "`timeout` of the job (10 s) + a sweep every 60 s; `retries=1` aborts a lost job",
    ),
    "streaq": Setting(
        LEASE,
        "`idle_timeout=3`; coredis retries 15 times with back-off (by default it does not, and "
        "workers exit)",
        "60 s",
    ),
}
