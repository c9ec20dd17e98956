"""An asyncio job queue for Python on Redis and Valkey.

A name is loaded when it is first used, so that ``aiojobs-redis --help`` does not wait for redis-py.
"""

import importlib
import logging
import typing

if typing.TYPE_CHECKING:
    from aiojobs_redis._redis.event_stream import EventStream
    from aiojobs_redis.audit import ActionRecord
    from aiojobs_redis.context import JobContext, current_job, current_jobs
    from aiojobs_redis.cron import Cron
    from aiojobs_redis.dependencies import Edge
    from aiojobs_redis.dependency import Depends
    from aiojobs_redis.durability import Durability, Fsynced, Replicated
    from aiojobs_redis.errors import (
        AiojobsError,
        ArgumentsInvalid,
        AttemptFailed,
        ConfigInvalid,
        JobCancelled,
        JobFailed,
        JobNotFound,
        JobStateError,
        KeyFull,
        LeaseLost,
        LifespanFailed,
        NotReplicated,
        PayloadRejected,
        PayloadTooLarge,
        ProcessDied,
        QueueFull,
        QueueUnavailable,
        RateExceeded,
        RedisIncompatible,
        ResultTooLarge,
        TaskNotRegistered,
        WorkerNotFound,
    )
    from aiojobs_redis.events import EmittedEvent, Event, EventType
    from aiojobs_redis.extras import LogLine, Progress
    from aiojobs_redis.flow import Flow, chain, group, join
    from aiojobs_redis.handle import Job
    from aiojobs_redis.health import Health
    from aiojobs_redis.history.checker import check_history
    from aiojobs_redis.history.recorder import HistoryRecorder
    from aiojobs_redis.history.report import HistoryReport, HistoryViolation
    from aiojobs_redis.job import (
        Counts,
        JobError,
        JobInfo,
        JobPage,
        JobState,
        PriorityInfo,
        WorkerInfo,
        WorkerState,
    )
    from aiojobs_redis.lease import Lease
    from aiojobs_redis.limiting import Backlog, Limit
    from aiojobs_redis.metrics import Metrics, MinuteMetrics, TaskMetrics
    from aiojobs_redis.middleware import EnqueueMiddleware, JobMiddleware
    from aiojobs_redis.once import Once
    from aiojobs_redis.options import JobOptions
    from aiojobs_redis.outcome import Cancel, Fail, Retry, Snooze, Throttle, WaitFor
    from aiojobs_redis.parents import FromParents, Parent
    from aiojobs_redis.payload_codec import EncryptedCodec, PayloadCodec, SignedCodec
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.retry import Exponential, Fixed, Linear
    from aiojobs_redis.schedule import ScheduleInfo
    from aiojobs_redis.server import ServerReport
    from aiojobs_redis.task import BoundCall, ConfiguredTask, Task
    from aiojobs_redis.transition import Observer, Transition
    from aiojobs_redis.tree import FlowTree
    from aiojobs_redis.unique import Unique
    from aiojobs_redis.worker.failures import Failure, FailureHook
    from aiojobs_redis.worker.lifespan import LifespanFunction
    from aiojobs_redis.worker.worker import Worker

__all__ = [
    "ActionRecord",
    "AiojobsError",
    "ArgumentsInvalid",
    "AttemptFailed",
    "Backlog",
    "BoundCall",
    "Cancel",
    "ConfigInvalid",
    "ConfiguredTask",
    "Counts",
    "Cron",
    "Depends",
    "Durability",
    "Edge",
    "EmittedEvent",
    "EncryptedCodec",
    "EnqueueMiddleware",
    "Event",
    "EventStream",
    "EventType",
    "Exponential",
    "Fail",
    "Failure",
    "FailureHook",
    "Fixed",
    "Flow",
    "FlowTree",
    "FromParents",
    "Fsynced",
    "Health",
    "HistoryRecorder",
    "HistoryReport",
    "HistoryViolation",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobError",
    "JobFailed",
    "JobInfo",
    "JobMiddleware",
    "JobNotFound",
    "JobOptions",
    "JobPage",
    "JobState",
    "JobStateError",
    "KeyFull",
    "Lease",
    "LeaseLost",
    "LifespanFailed",
    "LifespanFunction",
    "Limit",
    "Linear",
    "LogLine",
    "Metrics",
    "MinuteMetrics",
    "NotReplicated",
    "Observer",
    "Once",
    "Parent",
    "PayloadCodec",
    "PayloadRejected",
    "PayloadTooLarge",
    "PriorityInfo",
    "ProcessDied",
    "Progress",
    "Queue",
    "QueueFull",
    "QueueUnavailable",
    "RateExceeded",
    "RedisIncompatible",
    "Replicated",
    "ResultTooLarge",
    "Retry",
    "ScheduleInfo",
    "ServerReport",
    "SignedCodec",
    "Snooze",
    "Task",
    "TaskMetrics",
    "TaskNotRegistered",
    "Throttle",
    "Transition",
    "Unique",
    "WaitFor",
    "Worker",
    "WorkerInfo",
    "WorkerNotFound",
    "WorkerState",
    "chain",
    "check_history",
    "current_job",
    "current_jobs",
    "group",
    "join",
]

_HOMES = {
    "ActionRecord": "aiojobs_redis.audit",
    "AiojobsError": "aiojobs_redis.errors",
    "ArgumentsInvalid": "aiojobs_redis.errors",
    "AttemptFailed": "aiojobs_redis.errors",
    "BoundCall": "aiojobs_redis.task",
    "Cancel": "aiojobs_redis.outcome",
    "ConfigInvalid": "aiojobs_redis.errors",
    "ConfiguredTask": "aiojobs_redis.task",
    "Counts": "aiojobs_redis.job",
    "Cron": "aiojobs_redis.cron",
    "Depends": "aiojobs_redis.dependency",
    "Durability": "aiojobs_redis.durability",
    "EmittedEvent": "aiojobs_redis.events",
    "EncryptedCodec": "aiojobs_redis.payload_codec",
    "EnqueueMiddleware": "aiojobs_redis.middleware",
    "Event": "aiojobs_redis.events",
    "EventStream": "aiojobs_redis._redis.event_stream",
    "EventType": "aiojobs_redis.events",
    "Exponential": "aiojobs_redis.retry",
    "Fail": "aiojobs_redis.outcome",
    "Failure": "aiojobs_redis.worker.failures",
    "FailureHook": "aiojobs_redis.worker.failures",
    "Fixed": "aiojobs_redis.retry",
    "Flow": "aiojobs_redis.flow",
    "FlowTree": "aiojobs_redis.tree",
    "FromParents": "aiojobs_redis.parents",
    "Edge": "aiojobs_redis.dependencies",
    "Fsynced": "aiojobs_redis.durability",
    "Health": "aiojobs_redis.health",
    "HistoryRecorder": "aiojobs_redis.history.recorder",
    "HistoryReport": "aiojobs_redis.history.report",
    "HistoryViolation": "aiojobs_redis.history.report",
    "Job": "aiojobs_redis.handle",
    "JobCancelled": "aiojobs_redis.errors",
    "JobContext": "aiojobs_redis.context",
    "JobError": "aiojobs_redis.job",
    "JobFailed": "aiojobs_redis.errors",
    "JobInfo": "aiojobs_redis.job",
    "JobPage": "aiojobs_redis.job",
    "JobMiddleware": "aiojobs_redis.middleware",
    "JobNotFound": "aiojobs_redis.errors",
    "JobOptions": "aiojobs_redis.options",
    "JobState": "aiojobs_redis.job",
    "JobStateError": "aiojobs_redis.errors",
    "KeyFull": "aiojobs_redis.errors",
    "Lease": "aiojobs_redis.lease",
    "LeaseLost": "aiojobs_redis.errors",
    "LifespanFailed": "aiojobs_redis.errors",
    "LifespanFunction": "aiojobs_redis.worker.lifespan",
    "Backlog": "aiojobs_redis.limiting",
    "Limit": "aiojobs_redis.limiting",
    "Linear": "aiojobs_redis.retry",
    "LogLine": "aiojobs_redis.extras",
    "Metrics": "aiojobs_redis.metrics",
    "MinuteMetrics": "aiojobs_redis.metrics",
    "NotReplicated": "aiojobs_redis.errors",
    "Observer": "aiojobs_redis.transition",
    "Once": "aiojobs_redis.once",
    "Parent": "aiojobs_redis.parents",
    "PayloadCodec": "aiojobs_redis.payload_codec",
    "PayloadRejected": "aiojobs_redis.errors",
    "PayloadTooLarge": "aiojobs_redis.errors",
    "PriorityInfo": "aiojobs_redis.job",
    "ProcessDied": "aiojobs_redis.errors",
    "Progress": "aiojobs_redis.extras",
    "Queue": "aiojobs_redis.queue",
    "QueueFull": "aiojobs_redis.errors",
    "QueueUnavailable": "aiojobs_redis.errors",
    "RateExceeded": "aiojobs_redis.errors",
    "RedisIncompatible": "aiojobs_redis.errors",
    "Replicated": "aiojobs_redis.durability",
    "ResultTooLarge": "aiojobs_redis.errors",
    "Retry": "aiojobs_redis.outcome",
    "ScheduleInfo": "aiojobs_redis.schedule",
    "ServerReport": "aiojobs_redis.server",
    "SignedCodec": "aiojobs_redis.payload_codec",
    "Snooze": "aiojobs_redis.outcome",
    "Task": "aiojobs_redis.task",
    "TaskMetrics": "aiojobs_redis.metrics",
    "TaskNotRegistered": "aiojobs_redis.errors",
    "Throttle": "aiojobs_redis.outcome",
    "Transition": "aiojobs_redis.transition",
    "Unique": "aiojobs_redis.unique",
    "WaitFor": "aiojobs_redis.outcome",
    "Worker": "aiojobs_redis.worker.worker",
    "WorkerInfo": "aiojobs_redis.job",
    "WorkerNotFound": "aiojobs_redis.errors",
    "WorkerState": "aiojobs_redis.job",
    "chain": "aiojobs_redis.flow",
    "check_history": "aiojobs_redis.history.checker",
    "current_job": "aiojobs_redis.context",
    "current_jobs": "aiojobs_redis.context",
    "group": "aiojobs_redis.flow",
    "join": "aiojobs_redis.flow",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# Silent unless the application configures logging.
logging.getLogger("aiojobs_redis").addHandler(logging.NullHandler())
