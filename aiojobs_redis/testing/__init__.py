"""Helpers for the tests of an application: jobs that run at their enqueue, what was enqueued, time.

Nothing here is simulated: the jobs go through the same scripts and the same worker as elsewhere. A
retry does not wait for its back-off, so that tests need no sleeps.
"""

from aiojobs_redis.testing.at_enqueue import inline
from aiojobs_redis.testing.attempt import perform
from aiojobs_redis.testing.expecting import assert_enqueued, enqueued, refute_enqueued
from aiojobs_redis.testing.faults import failing
from aiojobs_redis.testing.frozen_clock import FrozenClock
from aiojobs_redis.testing.idle import run_until_idle

__all__ = [
    "FrozenClock",
    "assert_enqueued",
    "enqueued",
    "failing",
    "inline",
    "perform",
    "refute_enqueued",
    "run_until_idle",
]
