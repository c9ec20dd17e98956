"""From a call to a job in Redis: options merged, size checked, written, a handle returned."""

from __future__ import annotations

import contextlib
import difflib
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from aiojobs_redis._redis.abroad import check_abroad, is_abroad, learn_abroad
from aiojobs_redis._redis.answer import ADDED, REFUSALS
from aiojobs_redis._redis.confirmation import Unconfirmed
from aiojobs_redis._redis.keys import check_name
from aiojobs_redis._redis.per_loop import PerLoop
from aiojobs_redis._redis.producer import (
    BATCH,
    BATCH_BYTES,
    BATCH_PARENTS,
    NewJob,
    Producer,
    batches,
)
from aiojobs_redis.calls import task_of
from aiojobs_redis.codec import encode_untyped
from aiojobs_redis.dependencies import failure_letters, only_once
from aiojobs_redis.errors import (
    AiojobsError,
    ArgumentsInvalid,
    ConfigInvalid,
    PayloadTooLarge,
    QueueFull,
    QueueUnavailable,
)
from aiojobs_redis.handle import Job
from aiojobs_redis.ids import new_id
from aiojobs_redis.neighbours import gated, parent_name
from aiojobs_redis.options import JobOptions, option_names
from aiojobs_redis.refusal import KeyLimits
from aiojobs_redis.spec import SpecWriter
from aiojobs_redis.spread import Part, add_flow
from aiojobs_redis.task import BoundCall
from aiojobs_redis.unique import unique_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiojobs_redis._redis.planner import Planner, StoredSchedule
    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.dependencies import OnFailure
    from aiojobs_redis.durability import Durability
    from aiojobs_redis.flow import Flow
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.rate import Rate
    from aiojobs_redis.task import ConfiguredTask, Task
    from aiojobs_redis.unique import Unique

__all__ = ["Submission", "bind"]

_OPTIONS = option_names()


_parents = attrgetter("parents")


def _abroad(jobs: Sequence[NewJob]) -> set[str]:
    # Of jobs without parents, which most are, nothing is done in Python.
    return {name for name in chain.from_iterable(map(_parents, jobs)) if is_abroad(name)}


class _Defaults(NamedTuple):
    """What jobs of one task have when nothing is said of them."""

    options: JobOptions
    wire: str
    headers: Mapping[str, str]
    unique: Unique | None


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
        except ArgumentsInvalid as error:
            raise ArgumentsInvalid(
                f"the arguments for {target!r}: {error} "
                "Use what MessagePack can hold: texts, numbers, bytes, lists, dicts, dates."
            ) from error
    task = task_of(target)
    parameters = task.parameters
    for name in given:
        if name in parameters and name not in task.needs:
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
    return msgspec.structs.replace(call, options=options.over(call.options))


class Submission:
    """Adds the jobs of one queue.

    Args:
        queue: The queue, for the handles.
        store: The same queue in Redis.
        defaults: Options of the queue.
        max_payload: Bytes of an encoded spec, at most.
        max_length: Waiting jobs, at most; 0 for no limit.
        most_of_key: Jobs of each key that may wait for their first start; 0 for any number.
        rate: Jobs that each key may add; None for any number.
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
        most_of_key: int,
        rate: Rate | None,
        durability: Durability | None,
    ) -> None:
        self._queue = queue
        self._store = store
        self._sealing = store.sealing
        self._max_payload = max_payload
        self._defaults = defaults
        self._by_task: dict[str, _Defaults] = {}
        self._writers: dict[str, SpecWriter] = {}
        self._limits = KeyLimits(queue.name, rate, most_of_key)
        self._producers = PerLoop(
            lambda: Producer(store, max_length, most_of_key, rate, durability)
        )

    async def add(self, call: BoundCall[Any]) -> Job[Any]:
        """Add one job."""
        job = self.new_job(call)
        if job.parents:
            return (await self._add_all([call], [job]))[0]
        try:
            flags = await self._producers.get().add((job,))
        except Unconfirmed as late:
            self._refuse((job,), late.flags)
            own = [self._handle(call, job, late.flags[0])]
            late.error.calls = [call]
            raise late.told((), own) from late.error.__cause__
        if flags == ADDED:
            return Job(self._queue, job.id, created=True, task=call.made_by)
        self._refuse((job,), flags)
        return self._handle(call, job, flags[0])

    async def add_many(self, calls: Iterable[BoundCall[Any]]) -> list[Job[Any]]:
        """Check the whole call, then add its jobs in batches, each of them atomic.

        Raises:
            AiojobsError: A batch was refused; ``.jobs`` holds the handles of those before it.
        """
        calls = list(calls)
        return await self._add_all(calls, [self.new_job(call) for call in calls])

    async def add_flow(self, flow: Flow) -> list[Job[Any]]:
        """Add the jobs of a flow, all or none, in whichever queues they are; see `add_flow`."""
        return await add_flow(self._queue, flow)

    async def add_together(self, calls: Sequence[BoundCall[Any]]) -> list[Job[Any]]:
        """Add the jobs of a flow's calls, all or none.

        Raises:
            ConfigInvalid: It is too large for one script call; nothing was written.
        """
        return await self._add_all(calls, self._together(calls))

    async def check_part(self, calls: Sequence[BoundCall[Any]], part: Part) -> None:
        """See that a part of a flow over several queues can be added; raises as `add_part`."""
        jobs = gated(self._together(calls), part)
        await check_abroad(self._store, sorted(_abroad(jobs) - part.inside))

    async def add_part(self, calls: Sequence[BoundCall[Any]], part: Part) -> list[Job[Any]]:
        """Add the jobs that a flow over several queues has in this one, all or none.

        Raises:
            ConfigInvalid: They are too many for one script call; nothing was written.
        """
        return await self._add_all(calls, gated(self._together(calls), part), part)

    def _together(self, calls: Sequence[BoundCall[Any]]) -> list[NewJob]:
        jobs = [self.new_job(call) for call in calls]
        for job in jobs:
            if job.is_unique:
                self._refuse_unique(job.task)
        if len(list(batches(jobs))) > 1:
            raise ConfigInvalid(
                f"the flow has {len(jobs)} jobs, {sum(len(job.parents) for job in jobs)} "
                f"dependencies and {sum(len(job.spec) for job in jobs)} bytes; added at once can "
                f"be {BATCH} jobs, {BATCH_PARENTS} dependencies and {BATCH_BYTES} bytes. Enqueue a "
                "part of it first, and give the rest its jobs as depends_on. Nothing was written."
            )
        return jobs

    async def _add_all(
        self,
        calls: Sequence[BoundCall[Any]],
        jobs: Sequence[NewJob],
        part: Part | None = None,
    ) -> list[Job[Any]]:
        names, inside = _abroad(jobs), part.inside if part else frozenset()
        floors = await check_abroad(self._store, sorted(names), inside) if names else {}
        handles = await self._add_batches(calls, jobs, part, floors)
        abroad = sorted(names - inside)
        if abroad:
            # What is not asked for now, the workers ask for.
            with contextlib.suppress(QueueUnavailable):
                await learn_abroad(self._store, abroad)
        return handles

    async def _add_batches(
        self,
        calls: Sequence[BoundCall[Any]],
        jobs: Sequence[NewJob],
        part: Part | None,
        floors: Mapping[str, int],
    ) -> list[Job[Any]]:
        producer, told = self._producers.get(), part.told if part else ()
        handles: list[Job[Any]] = []
        sent = 0
        # A part was measured without its gates, of which each job has one: it is not cut for them.
        for batch in [jobs] if part else batches(jobs):
            own, sent = calls[sent : sent + len(batch)], sent + len(batch)
            try:
                flow = bool(told) or any(map(_parents, batch))
                flags = await producer.add(batch, flow=flow, told=told, floors=floors)
            except AiojobsError as error:
                error.jobs, error.calls = handles, calls[: len(handles)]
                raise
            except Unconfirmed as late:
                late.error.calls = [*calls[: len(handles)], *_taken(own, late.flags)]
                raise late.told(
                    handles, self._handles(own, batch, late.flags)
                ) from late.error.__cause__
            handles += self._handles(own, batch, flags)
            try:
                self._refuse(batch, flags, handles)
            except QueueFull as error:
                # The batches before this one were taken whole.
                error.calls = [*calls[: sent - len(own)], *_taken(own, flags)]
                raise
        return handles

    async def add_scheduled(self, stored: StoredSchedule, planner: Planner) -> Job[Any]:
        """Add a job of a schedule, beside its ticks."""
        schedule, id = stored.schedule, new_id()
        job = NewJob(id, schedule.task, schedule.options, planner.spec_of(stored, id))
        task = self._queue.tasks.get(schedule.task)

        def handle(flag: str) -> Job[Any]:
            return Job(self._queue, flag[1:] or id, created=flag == ADDED, task=task)

        try:
            (flag,) = await self._producers.get().add((job,))
        except Unconfirmed as late:
            self._refuse((job,), late.flags)
            raise late.told((), [handle(late.flags[0])]) from late.error.__cause__
        self._refuse((job,), (flag,))
        return handle(flag)

    def with_own_headers(self, call: BoundCall[Any]) -> BoundCall[Any]:
        """Return a call that names the headers which its task or the queue would give it."""
        base = self._by_task.get(call.task) or self._base(call)
        if not base.headers or "headers" in call.options.values:
            return call
        return call.with_options(headers=base.headers)

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
        if call.options.values or base.unique is not None:
            return self._new_job_of_its_own(call, base)
        spec = self._writer(call).write(call.call, {}, base.headers)
        if len(spec) > self._max_payload:
            self._check_size(call.task, spec)
        return NewJob(new_id(), call.task, base.wire, spec)

    def _new_job_of_its_own(self, call: BoundCall[Any], base: _Defaults) -> NewJob:
        """Return what is written for a call that has options, or whose job is unique."""
        options, edges = call.options, self._edges(call.options)
        wire, headers, unique, parents = base.wire, base.headers, base.unique, tuple(edges)
        if options.values:
            merged = options.over(base.options)
            values = merged.values
            options.for_its_key(merged)
            wire, headers, unique = merged.wire(), values.get("headers", {}), values.get("unique")
            if edges:
                policy = values.get("on_parent_failure", "fail")
                wire += f",f{failure_letters(edges.values(), policy)}"
        wire += self._unique(unique, call, parents)
        spec = self._writer(call).write(call.call, options.spec(), headers)
        self._check_size(call.task, spec)
        return NewJob(options.values.get("id") or new_id(), call.task, wire, spec, parents)

    def _refuse_unique(self, task: str) -> None:
        raise ConfigInvalid(
            f"a job of {task!r} is unique, and those of a flow cannot be: enqueue it by itself, "
            "and let the others depend on its handle. Nothing was written."
        )

    def _edges(self, options: JobOptions) -> dict[str, OnFailure | None]:
        """Return by the name of each parent what its failure means."""
        found: dict[str, OnFailure | None] = {}
        for job in options.values.get("depends_on", ()):
            name = parent_name(self._queue, job.id, job.queue)
            only_once(job.id, found.setdefault(name, job.on_failure), job.on_failure)
        return found

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
        values = options.values
        base = _Defaults(options, options.wire(), values.get("headers", {}), values.get("unique"))
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

    def _refuse(
        self, jobs: Sequence[NewJob], flags: Sequence[str], added: Sequence[Job[Any]] = ()
    ) -> None:
        """Raise for jobs that their key has kept out, if there are any.

        Raises:
            QueueFull: There are; ``.jobs`` holds the handles of those that were added.
        """
        error = self._limits.refusal(jobs, flags)
        if error is not None:
            error.jobs = added
            raise error

    def _handles(
        self, calls: Sequence[BoundCall[Any]], jobs: Sequence[NewJob], flags: Sequence[str]
    ) -> list[Job[Any]]:
        if isinstance(flags, str) and REFUSALS.isdisjoint(flags):
            queue = self._queue
            return [
                Job(queue, job.id, created=flag == ADDED, task=call.made_by)
                for call, job, flag in zip(calls, jobs, flags, strict=True)
            ]
        rows = zip(calls, jobs, flags, strict=True)
        return [self._handle(*row) for row in rows if row[2] not in REFUSALS]

    def _unique(self, unique: Unique | None, call: BoundCall[Any], parents: Sequence[str]) -> str:
        if unique is None:
            return ""
        if parents:
            self._refuse_unique(call.task)
        task = call.made_by or self._queue.tasks.get(call.task)
        positional = task.codec.signature.positional if task else ()
        return unique_option(unique, call.task, call.call, [item.name for item in positional])

    def _handle(self, call: BoundCall[Any], job: NewJob, flag: str) -> Job[Any]:
        # Behind the digit stands the id of the job that was there already.
        id = job.id if len(flag) == 1 else flag[1:]
        return Job(self._queue, id, created=flag == ADDED, task=call.made_by)


def _taken(calls: Sequence[BoundCall[Any]], flags: Sequence[str]) -> list[BoundCall[Any]]:
    """Return the calls of which no job was refused."""
    return [call for call, flag in zip(calls, flags, strict=True) if flag not in REFUSALS]
