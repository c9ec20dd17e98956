"""A task: a function that can be enqueued, with its signature, its codec and its options."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, overload

import msgspec

from aiojobs_redis.batching import Batching, item_signature
from aiojobs_redis.codec import CallCodec
from aiojobs_redis.dependency import needs_of
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.options import JobOptions
from aiojobs_redis.parents import parent_parameters
from aiojobs_redis.spec import SpecWriter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiojobs_redis.dependency import Need
    from aiojobs_redis.handle import Job
    from aiojobs_redis.options import OptionFields
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.signature import Encoded

__all__ = ["BoundCall", "ConfiguredTask", "Task", "TaskDecorator"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_NO_OPTIONS = JobOptions()


class BoundCall(msgspec.Struct, Generic[R_co], frozen=True):
    """A call that is checked and encoded, but not enqueued yet.

    Attributes:
        task: The task's name.
        call: The encoded arguments.
        options: The options of this job.
        made_by: The task, or None for a call by name.
        bound_by: The queue by which a call by name was bound.
    """

    task: str
    call: bytes
    options: JobOptions
    made_by: Task[..., R_co] | None
    bound_by: Any = None

    @property
    def owner(self) -> Any:
        """The queue that it belongs to as a part of a flow; None for any."""
        return self.bound_by if self.made_by is None else self.made_by.queue

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that were given to this call; in a middleware all that its job will have."""
        headers: Mapping[str, str] = self.options.values.get("headers", {})
        return headers

    def with_options(self, **options: Unpack[OptionFields]) -> BoundCall[R_co]:
        """Return the call with more options; these win.

        Raises:
            ConfigInvalid: As for `JobOptions`.
        """
        merged = JobOptions(**options).for_job().over(self.options)
        return msgspec.structs.replace(self, options=merged)

    def with_headers(self, headers: Mapping[str, str]) -> BoundCall[R_co]:
        """Return the call with more headers beside those that it has; these win.

        Raises:
            ConfigInvalid: They are no texts, or more than 16 KiB in all.
        """
        return self.with_options(headers={**self.headers, **headers})


class TaskDecorator(Protocol):
    """What `Queue.task` returns when it is given options: it turns a function into a task."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        """Register the function."""


class ConfiguredTask(Generic[P, R]):
    """A task together with options for the jobs that are made from it."""

    __slots__ = ("_options", "task")

    def __init__(self, task: Task[P, R], options: JobOptions) -> None:
        self.task: Task[P, R] = task
        self._options = options

    @property
    def given(self) -> JobOptions:
        """The options."""
        return self._options

    def options(self, **options: Unpack[OptionFields]) -> ConfiguredTask[P, R]:
        """Return the same with more options; later ones win.

        Raises:
            ConfigInvalid: As for `JobOptions`.
        """
        return ConfiguredTask(self.task, JobOptions(**options).for_job().over(self._options))

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> BoundCall[R]:
        """Check the arguments and return the call, for `Queue.enqueue_many` and schedules.

        Raises:
            ArgumentsInvalid: The arguments do not fit the task.
        """
        task = self.task
        return BoundCall(task.name, task.codec.encode(args, kwargs), self._options, task)

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Add a job with these options; see `Task.enqueue`."""
        return await self.task.queue.enqueue_call(self.bind(*args, **kwargs))


class Task(Generic[P, R]):
    """A function that was registered with a queue.

    Calling it calls the function. ``enqueue`` has the function's own parameters, so a type checker
    sees a wrong argument, and the result type reaches ``Job.result()``.

    Attributes:
        name: Name under which workers know it.
        queue: The queue it was registered with.
        function: The function itself.
        defaults: Options given at the decoration.
        needs: Parameters that are filled in when a job runs, and with what.
        codec: Encodes and decodes its calls and results.
        is_async: Whether the function is a coroutine function.
        parameters: Names of its parameters.
        takes_any_keyword: Whether it has a ``**keywords`` parameter.
        specs: Writes the specs of its jobs.
        from_parents: Parameters that get the results of its parents, with what decodes one.
        batching: How its jobs are put together; None where each has a call of its own.
    """

    def __init__(
        self,
        function: Callable[P, Awaitable[R]] | Callable[P, R],
        *,
        name: str,
        queue: Queue,
        defaults: JobOptions,
        batching: Batching | None = None,
    ) -> None:
        self.name: str = name
        self.queue: Queue = queue
        self.function: Callable[P, Any] = function
        self.defaults: JobOptions = defaults
        self.needs: Mapping[str, Need] = needs_of(function, name)
        self.from_parents: Mapping[str, Callable[[Encoded], Any]] = parent_parameters(
            function, name
        )
        self.batching: Batching | None = batching
        needs = frozenset(self.needs)
        # What one job is given and returns is not what a function of many is.
        shape = function if batching is None else item_signature(function, name, needs)
        filled = needs | frozenset(self.from_parents) if batching is None else frozenset[str]()
        self.codec: CallCodec = CallCodec(shape, name=name, exclude=filled)
        self.is_async: bool = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - asks what calling it gives
        )
        if self.is_async and defaults.values.get("executor") == "thread":
            raise ConfigInvalid(
                f"executor='thread' runs plain functions, and {name} is async: leave it out, or "
                "define the function without async"
            )
        if self.needs and defaults.over(queue.defaults).values.get("executor") == "process":
            raise ConfigInvalid(
                f"{name}() asks for {', '.join(map(repr, self.needs))}, and executor='process' "
                "runs it where nothing is shared: open it inside the function instead"
            )
        if (
            batching is not None
            and defaults.over(queue.defaults).values.get("executor") == "process"
        ):
            raise ConfigInvalid(
                f"executor='process' runs one job at a time, and {name} is a batch task: use "
                "executor='thread'"
            )
        parameters = inspect.signature(shape).parameters
        self.parameters: frozenset[str] = frozenset(parameters) - self.from_parents.keys()
        self.takes_any_keyword: bool = any(
            parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
        )
        self.specs: SpecWriter = SpecWriter(name)
        functools.update_wrapper(self, function)

    def __repr__(self) -> str:
        return f"<Task {self.name} of queue {self.queue.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the function, here and now."""
        return self.function(*args, **kwargs)

    def options(self, **options: Unpack[OptionFields]) -> ConfiguredTask[P, R]:
        """Return the task with options for its jobs.

        Raises:
            ConfigInvalid: As for `JobOptions`.
        """
        return ConfiguredTask(self, JobOptions(**options).for_job())

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> BoundCall[R]:
        """Check the arguments and return the call, for `Queue.enqueue_many` and schedules.

        Raises:
            ArgumentsInvalid: The arguments do not fit the task.
        """
        return BoundCall(self.name, self.codec.encode(args, kwargs), _NO_OPTIONS, self)

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Add a job and return its handle, once Redis has accepted it.

        Raises:
            ArgumentsInvalid: The arguments do not fit the task; nothing was written.
            PayloadTooLarge: They are over the queue's ``max_payload``; nothing was written.
            QueueFull: Redis is out of memory, or the queue is at its ``max_length``.
            QueueUnavailable: Redis did not answer in time. The job may have been added:
                enqueue it with an ``id`` of its own where a repetition must not double it.
        """
        return await self.queue.enqueue_call(self.bind(*args, **kwargs))
