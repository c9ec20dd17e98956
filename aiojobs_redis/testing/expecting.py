"""Assertions about what was enqueued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiojobs_redis.errors import ArgumentsInvalid, ConfigInvalid
from aiojobs_redis.job import JobInfo
from aiojobs_redis.queue import Queue
from aiojobs_redis.task import BoundCall, ConfiguredTask, Task
from aiojobs_redis.testing.reading import read_jobs
from aiojobs_redis.testing.wanted import Wanted, call_text, wanted

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

__all__ = ["assert_enqueued", "enqueued", "refute_enqueued"]

_SHOWN = 20


def assert_enqueued(
    task: Task[..., Any] | ConfiguredTask[..., Any] | BoundCall[Any] | str | None = None,
    /,
    *args: Any,
    queue: Queue | None = None,
    **kwargs: Any,
) -> list[JobInfo]:
    """Assert that a job is enqueued, and return all that match; see `enqueued`.

    It is a plain call, which reads the queue at once; to ``await`` what it returns does no harm.

    Raises:
        AssertionError: There is none; it lists what is enqueued.
        ArgumentsInvalid: No job can have such an argument.
        ConfigInvalid: As for `enqueued`.
        QueueUnavailable: Redis did not answer.
    """
    look = _look("assert_enqueued", task, args, queue, kwargs)
    if not look.found:
        raise AssertionError(
            f"{look.wanted.text} is not enqueued in queue {look.queue.name}. {_listed(look)}"
        )
    return look.found


def refute_enqueued(
    task: Task[..., Any] | ConfiguredTask[..., Any] | BoundCall[Any] | str | None = None,
    /,
    *args: Any,
    queue: Queue | None = None,
    **kwargs: Any,
) -> list[JobInfo]:
    """Assert that no such job is enqueued, and return an empty list; see `enqueued`.

    Raises:
        AssertionError: There is one; it lists what is enqueued.
        ArgumentsInvalid: No job can have such an argument, so that this would hold in any case.
        ConfigInvalid: As for `enqueued`.
        QueueUnavailable: Redis did not answer.
    """
    look = _look("refute_enqueued", task, args, queue, kwargs)
    if look.found:
        raise AssertionError(
            f"{look.wanted.text} is enqueued in queue {look.queue.name}, {len(look.found)} times, "
            f"and should not be. {_listed(look)}"
        )
    return look.found


def enqueued(
    task: Task[..., Any] | ConfiguredTask[..., Any] | BoundCall[Any] | str | None = None,
    /,
    *args: Any,
    queue: Queue | None = None,
    **kwargs: Any,
) -> list[JobInfo]:
    """Return the jobs that are enqueued and match, in the order of their enqueues.

    A job matches when it has each argument that is given, by position or by name; what is not
    given may be anything. Enqueued are jobs that have not finished; in a block of `inline`, where
    all have, every job that was enqueued in it.

    Args:
        task: The task, its name, or a bound call; with options, as in
            ``enqueued(greet.options(priority=5))``, the job has to have them. None for any.
        args: Its first arguments. What compares itself, such as ``mock.ANY``, may stand for one.
        queue: The queue; that of the task by default.
        kwargs: Its arguments by name. Names that the task does not take may be options, of which
            ``at``, ``attempts``, ``delay``, ``headers``, ``id``, ``key`` and ``priority`` can be
            compared, and ``state``, one or several.

    Raises:
        ArgumentsInvalid: No job can have such an argument.
        ConfigInvalid: An option cannot be compared, or nothing tells which queue is meant.
        QueueUnavailable: Redis did not answer.
    """
    return _look("enqueued", task, args, queue, kwargs).found


class _Jobs(list[JobInfo]):
    """Jobs that are there already, and may be awaited all the same."""

    def __await__(self) -> Generator[Any, None, _Jobs]:
        async def same() -> _Jobs:
            return self

        return same().__await__()


class _Look(NamedTuple):
    """What was looked for, and what there is."""

    wanted: Wanted
    queue: Queue
    all: Sequence[JobInfo]
    found: _Jobs


def _look(
    helper: str, target: Any, args: Sequence[Any], queue: Any, keywords: dict[str, Any]
) -> _Look:
    queue = _queue_of(helper, target, queue)
    what = wanted(helper, target, args, keywords, queue.tasks)
    jobs = read_jobs(queue, what.states)
    return _Look(what, queue, jobs, _Jobs(job for job in jobs if what.fits(job)))


def _queue_of(helper: str, target: Any, queue: Any) -> Queue:
    own: Any = None
    if isinstance(target, BoundCall):
        own = target.owner
    elif isinstance(target, Task | ConfiguredTask):
        own = target.queue if isinstance(target, Task) else target.task.queue
    if isinstance(queue, str) and isinstance(own, Queue) and own.name == queue:
        queue = own
    if queue is None:
        queue = own
    if isinstance(queue, Queue):
        return queue
    task = getattr(target, "task", target)
    if isinstance(task, Task) and queue is not None and "queue" in task.parameters:
        raise ArgumentsInvalid(
            f"queue is where {helper}() looks, and a parameter of {task.name}(): give the argument "
            f"by position, or all of them with {task.name}.bind(...)"
        )
    raise ConfigInvalid(
        f"{helper}() takes the Queue to look in as queue=, got {queue!r:.80} "
        f"({type(queue).__name__}); a task by itself tells it, a name does not"
    )


def _listed(look: _Look) -> str:
    if not look.all:
        return "Nothing is enqueued there."
    shown = [f"  {_line(job)}" for job in reversed(look.all[-_SHOWN:])]
    if len(look.all) > _SHOWN:
        shown.append(f"  and {len(look.all) - _SHOWN} older ones")
    return "\n".join([f"Enqueued there, the newest first, {len(look.all)} in all:", *shown])


def _line(job: JobInfo) -> str:
    text = f"{call_text(job.task, job.args, job.kwargs)}  {job.state.value}"
    if job.priority:
        text += f", priority {job.priority}"
    if job.run_at > job.enqueued_at:
        text += f", for {job.run_at.isoformat(timespec='milliseconds')}"
    if job.key is not None:
        text += f", key {job.key!r:.60}"
    return f"{text}, id {job.id}"
