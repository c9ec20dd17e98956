"""An asyncio job queue for Python on Redis and Valkey."""

import logging

from aiojobs_redis.context import JobContext, current_job
from aiojobs_redis.cron import Cron
from aiojobs_redis.errors import (
    AiojobsError,
    ArgumentsInvalid,
    ConfigInvalid,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobStateError,
    LeaseLost,
    NotReplicated,
    PayloadTooLarge,
    QueueFull,
    QueueUnavailable,
    RedisIncompatible,
    ResultTooLarge,
    TaskNotRegistered,
)
from aiojobs_redis.handle import Job
from aiojobs_redis.job import Counts, JobError, JobInfo, JobState, WorkerInfo
from aiojobs_redis.options import JobOptions
from aiojobs_redis.outcome import Cancel, Fail, Retry, Snooze
from aiojobs_redis.queue import Queue
from aiojobs_redis.retry import Exponential, Fixed, Linear
from aiojobs_redis.schedule import ScheduleInfo
from aiojobs_redis.task import BoundCall, ConfiguredTask, Task
from aiojobs_redis.worker.worker import Worker

__all__ = [
    "AiojobsError",
    "ArgumentsInvalid",
    "BoundCall",
    "Cancel",
    "ConfigInvalid",
    "ConfiguredTask",
    "Counts",
    "Cron",
    "Exponential",
    "Fail",
    "Fixed",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobError",
    "JobFailed",
    "JobInfo",
    "JobNotFound",
    "JobOptions",
    "JobState",
    "JobStateError",
    "LeaseLost",
    "Linear",
    "NotReplicated",
    "PayloadTooLarge",
    "Queue",
    "QueueFull",
    "QueueUnavailable",
    "RedisIncompatible",
    "ResultTooLarge",
    "Retry",
    "ScheduleInfo",
    "Snooze",
    "Task",
    "TaskNotRegistered",
    "Worker",
    "WorkerInfo",
    "current_job",
]

# Silent unless the application configures logging.
logging.getLogger("aiojobs_redis").addHandler(logging.NullHandler())
