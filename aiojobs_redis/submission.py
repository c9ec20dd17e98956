"""From a call to a job in Redis: options merged, size checked, written, a handle returned."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from aiojobs_redis._redis.confirmation import Unconfirmed
from aiojobs_redis._redis.keys import check_name
from aiojobs_redis._redis.per_loop import PerLoop
from aiojobs_redis._redis.producer import NewJob, Producer, batches
from aiojobs_redis.codec import encode_untyped
from aiojobs_redis.errors import AiojobsError, ArgumentsInvalid, PayloadTooLarge
from aiojobs_redis.handle import Job
from aiojobs_redis.ids import new_id
from aiojobs_redis.options import JobOptions, option_names
from aiojobs_redis.spec import SpecWriter
from aiojobs_redis.task import BoundCall, ConfiguredTask, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiojobs_redis._redis.planner import Planner, StoredSchedule
    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.durability import Durability
    from aiojobs_redis.queue import Queue

__all__ = ["Submission", "bind"]

_OPTIONS = option_names()


class _Defaults(NamedTuple):
    """What jobs of one task have when nothing is said of them."""

    options: JobOptions
    wire: str
    headers: Mapping[str, str]


def bind(
    target: Task[..., Any] | ConfiguredTask[..., Any] | str,
    args: Sequence[Any],
    keywords: Mapping[str, Any],
) -> BoundCall[Any]:
    """Tell options from arguments and return the call.

    Args:
        target: The task, or its name where its code is not at hand.
        args: Positional arguments.
        keywords: Keyword arguments and job options; an option's name is always the option.

    Raises:
        ArgumentsInvalid: The arguments do not fit the task, or a keyword is neither argument
            nor option.
        ConfigInvalid: An option is out of range.
    """
    given = {name: value for name, value in keywords.items() if name in _OPTIONS}
    rest = {name: value for name, value in keywords.items() if name not in given}
    options = JobOptions(**given).for_job()
    if isinstance(target, str):
        check_name("task", target)
        try:
            return BoundCall(target, encode_untyped(args, rest), options, None)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ArgumentsInvalid(
                f"the arguments for {target!r} cannot be encoded: {error}. "
                "Use what MessagePack can hold: texts, numbers, bytes, lists, dicts, dates."
            ) from error
    task = target if isinstance(target, Task) else target.task
    parameters = task.parameters
    for name in given:
        if name in parameters:
            raise ArgumentsInvalid(
                f"{name} is both a job option and a parameter of {task.name}(): pass the argument "
                f"with {task.name}.options(...).bind({name}=...) and enqueue_call or enqueue_many"
            )
    for name in rest:
        if name not in parameters and not task.takes_any_keyword:
            near = difflib.get_close_matches(name, [*parameters, *_OPTIONS], 1)
            raise ArgumentsInvalid(
                f"{name!r} is neither a parameter of {task.name}() nor a job option."
                + (f" Did you mean {near[0]!r}?" if near else "")
            )
    call: BoundCall[Any] = target.bind(*args, **rest)
    if not given:
        return call
    return BoundCall(call.task, call.call, options.over(call.options), call.made_by)


class Submission:
    """Adds the jobs of one queue.

    Args:
        queue: The queue, for the handles.
        store: The same queue in Redis.
        defaults: Options of the queue.
        max_payload: Bytes of an encoded spec, at most.
        max_length: Waiting jobs, at most; 0 for no limit.
        durability: What has to confirm them.
    """

    def __init__(
        self,
        queue: Queue,
        store: Store,
        defaults: JobOptions,
        *,
        max_payload: int,
        max_length: int,
        durability: Durability | None,
    ) -> None:
        self._queue = queue
        self._sealing = store.sealing
        self._max_payload = max_payload
        self._defaults = defaults
        self._by_task: dict[str, _Defaults] = {}
        self._writers: dict[str, SpecWriter] = {}
        self._producers = PerLoop(lambda: Producer(store, max_length, durability))

    async def add(self, call: BoundCall[Any]) -> Job[Any]:
        """Add one job."""
        job = self.new_job(call)
        try:
            flags = await self._producers.get().add((job,))
        except Unconfirmed as late:
            own = [self._handle(call, job, late.flags)]
            raise late.told((), own) from late.error.__cause__
        return self._handle(call, job, flags)

    async def add_many(self, calls: Iterable[BoundCall[Any]]) -> list[Job[Any]]:
        """Check the whole call, then add its jobs in batches, each of them atomic.

        Raises:
            AiojobsError: A batch was refused; ``.jobs`` holds the handles of those before it.
        """
        calls = list(calls)
        jobs = [self.new_job(call) for call in calls]
        producer = self._producers.get()
        handles: list[Job[Any]] = []
        for batch in batches(jobs):
            try:
                flags = await producer.add(batch)
            except AiojobsError as error:
                error.jobs = handles
                raise
            except Unconfirmed as late:
                rest = calls[len(handles) : len(handles) + len(batch)]
                own = list(map(self._handle, rest, batch, late.flags))
                raise late.told(handles, own) from late.error.__cause__
            at = len(handles)
            handles += map(self._handle, calls[at : at + len(batch)], batch, flags)
        return handles

    async def add_scheduled(self, stored: StoredSchedule, planner: Planner) -> Job[Any]:
        """Add a job of a schedule, beside its ticks."""
        schedule, id = stored.schedule, new_id()
        job = NewJob(id, schedule.task, schedule.options, planner.spec_of(stored, id))
        handle: Job[Any] = Job(
            self._queue, job.id, created=True, task=self._queue.tasks.get(schedule.task)
        )
        try:
            await self._producers.get().add((job,))
        except Unconfirmed as late:
            raise late.told((), [handle]) from late.error.__cause__
        return handle

    def planned_job(self, call: BoundCall[Any]) -> NewJob:
        """Return what the jobs of a schedule are made from; its payload bears no seal yet.

        Raises:
            PayloadTooLarge: The spec is over the limit.
        """
        return Submission.new_job(self, call)

    def new_job(self, call: BoundCall[Any]) -> NewJob:
        """Return what is written for a call.

        Raises:
            PayloadTooLarge: The spec is over the limit.
        """
        base = self._by_task.get(call.task) or self._base(call)
        options, wire, headers = call.options, base.wire, base.headers
        own: dict[str, Any] = {}
        if options.values:
            merged = options.over(base.options)
            wire, headers, own = merged.wire(), merged.values.get("headers", {}), options.spec()
        spec = self._writer(call).write(call.call, own, headers)
        if len(spec) > self._max_payload:
            self._check_size(call.task, spec)
        return NewJob(options.values.get("id") or new_id(), call.task, wire, spec)

    def _check_size(self, task: str, spec: bytes) -> None:
        if len(spec) > self._max_payload:
            raise PayloadTooLarge(
                f"the payload of {task!r} is {len(spec)} bytes, the limit of queue "
                f"{self._queue.name} is {self._max_payload}: store large data elsewhere and pass a "
                "reference, or raise max_payload. Nothing was written."
            )

    def _base(self, call: BoundCall[Any]) -> _Defaults:
        task = call.made_by or self._queue.tasks.get(call.task)
        options = task.defaults.over(self._defaults) if task else self._defaults
        base = _Defaults(options, options.wire(), options.values.get("headers", {}))
        if task is not None:
            self._by_task[call.task] = base
        return base

    def _writer(self, call: BoundCall[Any]) -> SpecWriter:
        if call.made_by is not None:
            return call.made_by.specs
        writer = self._writers.get(call.task)
        if writer is None:
            writer = self._writers[call.task] = SpecWriter(call.task)
        return writer

    def _handle(self, call: BoundCall[Any], job: NewJob, flag: str) -> Job[Any]:
        return Job(self._queue, job.id, created=flag == "1", task=call.made_by)
