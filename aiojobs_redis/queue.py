"""The object that users hold: tasks are registered with it, jobs enqueued, the queue operated.

It does no work of its own: a `Submission` adds jobs, a `Planner` keeps the schedules, a `Waiter`
waits for results, and what an operator does stands in `Operating`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack, cast, overload

import msgspec

from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.keys import check_name
from aiojobs_redis._redis.per_loop import PerLoop
from aiojobs_redis._redis.planner import Planner
from aiojobs_redis._redis.store import Store
from aiojobs_redis._redis.waiter import Waiter
from aiojobs_redis.auditing import Auditing
from aiojobs_redis.batching import Batching
from aiojobs_redis.calls import check_call, check_calls
from aiojobs_redis.claiming import Claiming
from aiojobs_redis.commanding import Commanding
from aiojobs_redis.config import setting_or
from aiojobs_redis.durability import check_durability
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.flow import check_flow
from aiojobs_redis.function import name_of
from aiojobs_redis.handle import Job
from aiojobs_redis.hosting import Hosting
from aiojobs_redis.limiting import Limiting
from aiojobs_redis.options import JobOptions, check_id, defaults_of_queue
from aiojobs_redis.rate import check_rate
from aiojobs_redis.recorded import Recorded
from aiojobs_redis.registry import Declared, Registry
from aiojobs_redis.schedules import build_cron, build_schedule, check_fields, check_schedule_id
from aiojobs_redis.sealed_submission import SealedSubmission
from aiojobs_redis.sealing import Sealing
from aiojobs_redis.submission import Submission, bind
from aiojobs_redis.task import BoundCall, ConfiguredTask, Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import datetime, timedelta

    from aiojobs_redis._redis.connection import Client
    from aiojobs_redis.batching import BatchDecorator
    from aiojobs_redis.durability import Durability
    from aiojobs_redis.flow import Flow
    from aiojobs_redis.lease import Lease
    from aiojobs_redis.middleware import EnqueueMiddleware
    from aiojobs_redis.options import OptionFields
    from aiojobs_redis.payload_codec import PayloadCodec
    from aiojobs_redis.rate import RateGiven
    from aiojobs_redis.schedule import ScheduleInfo
    from aiojobs_redis.schedules import ScheduleFields
    from aiojobs_redis.task import TaskDecorator

__all__ = ["Queue"]

P = ParamSpec("P")
R = TypeVar("R")


class Queue(Hosting, Recorded, Limiting, Commanding, Auditing):
    """A named queue in one Redis.

    Making one connects to nothing; the first use does. Queues of the same URL share connections.

    Args:
        name: 1 to 128 characters of ``A-Z a-z 0-9 _ . : -``.
        url: ``redis://``, ``rediss://``, ``unix://``, ``redis+sentinel://``, ``redis+cluster://``,
            ``embedded://`` or ``memory://``; None takes AIOJOBS_REDIS_URL, then REDIS_URL, then
            ``redis://localhost:6379/0``.
        client: An asyncio client of redis-py instead of a URL: connections are built from its
            settings, it is never closed.
        namespace: First part of every key; as ``name``. None takes AIOJOBS_REDIS_NAMESPACE, then
            ``ajr``.
        defaults: Options of its jobs, below those of a task and of a job; ``attempts`` is that of
            AIOJOBS_REDIS_ATTEMPTS where nothing gives one.
        max_payload: Bytes of an encoded job, at most; 1 MiB by default. Workers refuse larger ones
            too, so it has to be raised in both.
        max_length: Waiting jobs, blocked ones included, at most; None for no limit.
        max_length_per_key: Jobs of each ``key`` that have not started yet, at most, of those that
            were enqueued with such a limit; None for any number.
        enqueue_rate: Jobs and seconds, such as ``(100, 60)``: each ``key`` may add so many at once,
            and as many again, evenly, in each such time; None for no limit.
        codec: Signs or encrypts payloads, results and errors: a `SignedCodec`, an `EncryptedCodec`
            or a `PayloadCodec` of your own, the same in producers and workers.
        durability: `Replicated` or `Fsynced`: what has to confirm an enqueue before it returns;
            None for nothing but the server itself.
        middleware: Async callables of calls and ``call_next`` around each enqueue, the first of
            them outermost; see `EnqueueMiddleware`.

    Raises:
        ConfigInvalid: A name, the URL or a limit is not acceptable, or the server is a Cluster or
            in memory and a durability is asked for.
    """

    def __init__(
        self,
        name: str,
        url: str | None = None,
        *,
        client: Client | None = None,
        namespace: str | None = None,
        defaults: JobOptions | None = None,
        max_payload: int = 1024 * 1024,
        max_length: int | None = None,
        max_length_per_key: int | None = None,
        enqueue_rate: RateGiven | None = None,
        codec: PayloadCodec | None = None,
        durability: Durability | None = None,
        middleware: Iterable[EnqueueMiddleware] = (),
    ) -> None:
        self.name: str = check_name("queue", name)
        self.namespace: str = check_name("namespace", setting_or("namespace", namespace))
        for option, limit in (
            ("max_payload", max_payload),
            ("max_length", max_length),
            ("max_length_per_key", max_length_per_key),
        ):
            if limit is not None and (not isinstance(limit, int) or limit < 1):
                raise ConfigInvalid(f"{option} must be a whole number from 1, got {limit!r:.80}")
        if client is not None and url is not None:
            raise ConfigInvalid("give a queue either a url or a client, not both")
        server = Server.from_client(client) if client is not None else Server.shared(url)
        self.max_payload: int = max_payload
        self.durability: Durability | None = check_durability(durability)
        if durability is not None and (server.is_cluster or server.in_memory):
            raise ConfigInvalid(
                f"durability is not possible with {server.label}: it needs a single server or "
                "Sentinel, where the confirmation can follow the enqueue on one connection"
            )
        self.defaults: JobOptions = defaults_of_queue(defaults)
        sealing = None if codec is None else Sealing(codec, self.namespace, name)
        super().__init__(Store(server, self.namespace, name, sealing))
        self.registry: Registry = Registry()
        most_of_key = max_length_per_key or 0
        self._planner = Planner(self.store, most_of_key)
        kind = Submission if sealing is None else SealedSubmission
        self._submission = kind(
            self,
            self.store,
            self.defaults,
            max_payload=max_payload,
            max_length=max_length or 0,
            most_of_key=most_of_key,
            rate=None if enqueue_rate is None else check_rate("enqueue_rate", enqueue_rate),
            durability=durability,
        )
        self._claiming = Claiming(self)
        self._surround(middleware)
        self._waiters = PerLoop(lambda: Waiter(self.store))

    def __repr__(self) -> str:
        return f"<Queue {self.name} on {self.store.server.label}>"

    async def connect(self) -> None:
        """Connect, and check that the server is fit.

        Raises:
            QueueUnavailable: Redis did not answer.
            RedisIncompatible: It is older than Redis 7.0 or Valkey 7.2.
        """
        await self.store.check()

    async def close(self) -> None:
        """Close the connections, unless other queues of the process use them too."""
        await self.store.server.close()

    # Tasks

    @property
    def tasks(self) -> Mapping[str, Task[..., Any]]:
        """The registered tasks by name."""
        return self.registry.tasks

    @overload
    def task(self, function: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self, /, *, name: str | None = None, **options: Unpack[OptionFields]
    ) -> TaskDecorator: ...
    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        **options: Any,
    ) -> Any:
        """Register a function as a task, with or without options.

        Args:
            function: The function, sync or async.
            name: Its name in the queue, ``__name__`` by default.
            options: Job options for all its jobs.

        Raises:
            ConfigInvalid: The name is taken, or an option or an annotation is not acceptable.
        """
        register = self._registering(name, JobOptions(**options))
        return register if function is None else register(function)

    def _registering(
        self, name: str | None, options: JobOptions, batching: Batching | None = None
    ) -> Callable[[Callable[..., Any]], Task[..., Any]]:
        defaults = options.for_task()

        def register(function: Callable[..., Any]) -> Task[..., Any]:
            title = check_name("task", name_of(function, name))
            task: Task[..., Any] = Task(
                function, name=title, queue=self, defaults=defaults, batching=batching
            )
            self.registry.add(task)
            return task

        return register

    def batch_task(
        self,
        size: int,
        *,
        wait: float | timedelta = 0.05,
        name: str | None = None,
        **options: Unpack[OptionFields],
    ) -> BatchDecorator:
        """Register a function that is called with many jobs at once.

        The function takes one list, of what each job was enqueued with, and returns a list of as
        many results, or None. An exception in the place of a result is the outcome of that job
        only; one that is raised is that of all of them.

        Args:
            size: Jobs a call, at most; no more come together than a worker has slots.
            wait: Seconds that the first job of a call waits for more, 60 at most.
            name: Its name in the queue, ``__name__`` by default.
            options: Job options for all its jobs.

        Raises:
            ConfigInvalid: As for `task`, or the function takes or returns no list.
        """
        batching = Batching.of(size, wait)
        return cast("BatchDecorator", self._registering(name, JobOptions(**options), batching))

    # Jobs

    def bind(
        self,
        task: Task[..., Any] | ConfiguredTask[..., Any] | str,
        /,
        *args: Any,
        **keywords: Any,
    ) -> BoundCall[Any]:
        """Check a call, by task or by name, and return it; keywords as for `enqueue`.

        Raises:
            ArgumentsInvalid: The arguments do not fit the task.
            ConfigInvalid: An option is out of range.
        """
        call = bind(task, args, keywords)
        return call if call.made_by else msgspec.structs.replace(call, bound_by=self)

    @overload
    async def enqueue(
        self, task: Task[..., R] | ConfiguredTask[..., R], /, *args: Any, **keywords: Any
    ) -> Job[R]: ...
    @overload
    async def enqueue(self, task: str, /, *args: Any, **keywords: Any) -> Job[Any]: ...
    async def enqueue(
        self,
        task: Task[..., Any] | ConfiguredTask[..., Any] | str,
        /,
        *args: Any,
        **keywords: Any,
    ) -> Job[Any]:
        """Add a job and return its handle, once Redis has accepted it.

        Args:
            task: The task, or its name where its code is not at hand.
            args: Its positional arguments.
            keywords: Its keyword arguments, and job options (see `JobOptions`): a keyword with
                the name of an option is the option.

        Raises:
            ArgumentsInvalid: The arguments do not fit the task; nothing was written.
            ConfigInvalid: An option is out of range; nothing was written.
            PayloadTooLarge: They are over ``max_payload``; nothing was written.
            QueueFull: Redis is out of memory, or the queue is at its ``max_length``.
            RateExceeded: The job's ``key`` is over the ``enqueue_rate``.
            KeyFull: The job's ``key`` has as many waiting jobs as ``max_length_per_key``.
            QueueUnavailable: Redis did not answer in time; the job may have been added.
            NotReplicated: The job was added, but not confirmed as the ``durability`` demands.
        """
        return await self.adding.add(bind(task, args, keywords))

    async def enqueue_call(self, call: BoundCall[R]) -> Job[R]:
        """Add a job for a call that was bound before; raises as `enqueue`."""
        check_call("enqueue_call", call)
        return await self.adding.add(call)

    async def enqueue_many(self, calls: Iterable[BoundCall[Any]]) -> list[Job[Any]]:
        """Add many jobs, in batches of 250 jobs or 4 MiB, each of them all or nothing.

        The whole call is checked before anything is written. When a batch fails, the error's
        ``.jobs`` holds the handles of those accepted before it; the call can be repeated safely
        when its jobs have ids of their own. An ``enqueue_rate`` and a ``max_length_per_key`` refuse
        single jobs of a batch.

        Raises:
            ConfigInvalid: One is no call that was bound; nothing was written.
            PayloadTooLarge: One is over ``max_payload``; nothing was written.
            QueueFull: As for `enqueue`.
            RateExceeded: Some were over the rate of their key; later batches were not sent.
            KeyFull: Some were of a key that has all the jobs that it may have; likewise.
            QueueUnavailable: As for `enqueue`.
            NotReplicated: A batch was added and not confirmed; later ones were not sent.
        """
        return await self.adding.add_many(check_calls("enqueue_many", calls))

    async def enqueue_flow(self, flow: Flow) -> list[Job[Any]]:
        """Add the jobs of a flow, all or none, and return their handles in its order.

        Args:
            flow: Made by `chain`, `group` and `join`. Each call goes to the queue of its task, or
                by which it was bound; in each queue 250 jobs, 1,000 dependencies and 4 MiB at most.

        Raises:
            ConfigInvalid: It is larger or no flow, two of its jobs have one id, or its queues
                cannot reach each other; nothing was written.
            JobNotFound: A job that its ``depends_on`` names is not there; nothing was written.
            PayloadTooLarge: A job is over ``max_payload``; nothing was written.
            QueueFull: As for `enqueue`.
            QueueUnavailable: As for `enqueue`; what was added of a flow over several queues never
                runs without the rest.
            NotReplicated: As for `enqueue`.
        """
        return await self.adding.add_flow(check_flow(flow))

    def job(self, id: str) -> Job[Any]:
        """Return the handle of a job by its id, without asking Redis."""
        return Job(self, check_id("id", id), created=False, task=None)

    async def claim(self, n: int = 1, *, lease: float | timedelta | None = None) -> list[Lease]:
        """Lease the next jobs to the caller, who runs them without a `Worker`.

        It does not wait: a queue that has nothing ready, or is paused, gives an empty list. Jobs
        of every task are handed out, registered here or not. What cannot be read ends dead.

        Args:
            n: Jobs at most, 1 to 250.
            lease: Seconds that they are the caller's, 0.5 at least; each job's own by default.

        Raises:
            ConfigInvalid: A number is out of range.
            QueueUnavailable: Redis did not answer; what it may have leased is handed back.
        """
        return await self._claiming.claim(n, lease)

    # Schedules

    def cron(
        self,
        expression: str,
        *,
        id: str | None = None,
        name: str | None = None,
        options: JobOptions | None = None,
        **schedule: Unpack[ScheduleFields],
    ) -> Callable[[Callable[[], Any]], Task[[], Any]]:
        """Register a function without parameters as a task that runs on a schedule.

        Workers declare the schedule when they start.

        Args:
            expression: 5 fields, or 6 with the seconds first.
            id: The schedule's identity, the task's name by default.
            name: The task's name.
            options: Job options.
            schedule: As for `schedule`.

        Raises:
            ConfigInvalid: The expression, the zone or an option is not acceptable.
        """
        times = build_cron(expression, schedule)
        defaults = (options or JobOptions()).for_task()

        def register(function: Callable[[], Any]) -> Task[[], Any]:
            title = check_name("task", name_of(function, name))
            task: Task[[], Any] = Task(function, name=title, queue=self, defaults=defaults)
            job = self._submission.planned_job(task.bind())
            definition = msgspec.structs.replace(
                times, task=title, spec=job.spec, options=job.options
            )
            self.registry.declare(Declared(check_schedule_id(id or title), definition))
            self.registry.add(task)
            return task

        return register

    async def schedule(
        self,
        id: str,
        call: BoundCall[Any],
        *,
        cron: str | None = None,
        every: float | timedelta | None = None,
        **fields: Unpack[ScheduleFields],
    ) -> None:
        """Create or replace a schedule; each of its ticks makes exactly one job.

        Args:
            id: Its identity, up to 200 bytes. A definition that is there already is left as it
                is, with its next tick, the phase of ``every`` and its pause.
            call: What to run.
            cron: Expression of 5 fields, or of 6 with the seconds first.
            every: Seconds between ticks, 1 at least; excludes ``cron``.
            fields: ``tz`` (IANA zone of the expression), ``start``, ``end`` (aware datetimes),
                ``limit`` (jobs in all), ``missed`` (``last``, ``all`` or ``skip``: what becomes of
                ticks at which no worker was there), ``missed_window`` (seconds after which they
                are given up anyway), ``overlap`` (``skip``: no job while the last is unfinished).

        Raises:
            ConfigInvalid: The expression, the zone or another field is not acceptable.
            QueueUnavailable: Redis did not answer.
        """
        check_schedule_id(id)
        check_call("schedule", call)
        check_fields("schedule", fields, ("cron", "every"))
        call.options.refuse(
            frozenset({"delay", "at", "id", "depends_on"}), "on a schedule: its ticks decide"
        )
        job = self._submission.planned_job(call)
        definition = build_schedule(
            task=call.task, spec=job.spec, options=job.options, cron=cron, every=every, **fields
        )
        if definition.end_ms is not None and definition.end_ms <= await self._planner.now():
            raise ConfigInvalid(
                f"end is in the past, by the clock of Redis: {fields.get('end')}. Give a later one."
            )
        await self._planner.put(id, definition, declared=False)

    async def unschedule(self, id: str) -> bool:
        """Remove a schedule; whether there was one. Jobs that it has made stay."""
        return await self._planner.remove(id)

    async def schedules(self) -> list[ScheduleInfo]:
        """Return the schedules in order of their ids."""
        return [stored.info() for stored in await self._planner.all()]

    async def next_ticks(
        self, count: int = 5, ids: Iterable[str] | None = None
    ) -> dict[str, list[datetime]]:
        """Return the next ticks of each schedule that is not paused, by its id, in its zone.

        Args:
            count: Ticks at most, 1 to 100.
            ids: Which schedules; None for all.

        Raises:
            ConfigInvalid: The number is out of range.
        """
        if not isinstance(count, int) or not 1 <= count <= 100:
            raise ConfigInvalid(f"count must be a whole number from 1 to 100, got {count!r:.80}")
        return {stored.id: stored.ticks(count) for stored in await self._planner.all(ids)}

    async def pause_schedule(self, id: str) -> bool:
        """Stop a schedule's ticks; whether there is one."""
        return await self._planner.pause(id, paused=True)

    async def resume_schedule(self, id: str) -> bool:
        """Let a schedule go on with its next tick; whether there is one."""
        return await self._planner.pause(id, paused=False)

    async def trigger(self, id: str) -> Job[Any] | None:
        """Make a job of a schedule now, beside its ticks; None where there is no such schedule.

        Raises:
            PayloadRejected: The queue has a codec, and did not seal this schedule.
        """
        stored = await self._planner.get(id)
        if stored is None:
            return None
        return await self._submission.add_scheduled(stored, self._planner)

    async def replay(self, id: str) -> None:
        """Run a finished job again; see `Job.retry`."""
        await self.job(id).retry()

    def waiter(self) -> Waiter:
        """Return what waits for results on the running loop."""
        return self._waiters.get()

    def planner(self) -> Planner:
        """Return what keeps the schedules."""
        return self._planner
