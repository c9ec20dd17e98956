"""Every change that a page or a route can make: rights are checked, and who did it is recorded.

A record is written before anything is changed, so nothing is done without one; a second one
follows where there is more to tell than that it was done: how many jobs, which one was made, or
which error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import msgspec

from aiojobs_redis.acting import Act
from aiojobs_redis.errors import ConfigInvalid, JobNotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from aiojobs_redis.job import JobState
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.task import BoundCall
    from aiojobs_redis.web.state import Caller

__all__ = [
    "Done",
    "Removable",
    "Replayable",
    "cancel",
    "clean",
    "drain",
    "enqueue",
    "limit",
    "pause",
    "pause_schedule",
    "promote",
    "promote_all",
    "quiet_worker",
    "remove",
    "remove_schedule",
    "replay_all",
    "reprioritise",
    "reschedule",
    "resume",
    "resume_schedule",
    "resume_worker",
    "retry",
    "stop_worker",
    "trigger_schedule",
    "unlimit",
]

T = TypeVar("T")

Removable: TypeAlias = Literal[
    "completed", "dead", "cancelled", "queued", "scheduled", "retrying", "blocked"
]
"""States whose jobs can be removed: all but running."""

Replayable: TypeAlias = Literal["dead", "cancelled", "completed"]
"""States whose jobs can run again: those that have ended."""

_LONGEST = 300
"""Characters of the name of a worker that are recorded; whoever asks may name one that is none."""


class Done(msgspec.Struct, kw_only=True):
    """What an action has done.

    Attributes:
        action: Its name.
        queue: To which queue.
        id: To which job, schedule or worker.
        changed: Whether that changed anything.
        count: How many jobs it was about.
    """

    action: str
    queue: str
    id: str | None = None
    changed: bool = True
    count: int | None = None


class _Action:
    """One action by one caller.

    Args:
        caller: Who.
        queue: To which queue.
        name: Its name.
        job: To which job.
        details: What else is asked for; None is left out.
    """

    def __init__(
        self, caller: Caller, queue: Queue, name: str, job: str | None = None, **details: Any
    ) -> None:
        self._caller, self._queue, self._name = caller, queue, name
        self._act = Act(queue, caller.who, name, job, **details)
        self._id = job or details.get("schedule") or details.get("worker")

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it.

        Raises:
            Forbidden: The caller may not; nothing was changed.
            AiojobsError: As the work raised it, or Redis did not take the record.
        """
        self._caller.require(self._name)
        return await self._act.run(work)

    def done(self, *, changed: bool = True, count: int | None = None) -> Done:
        """Return what was done."""
        return Done(
            action=self._name, queue=self._queue.name, id=self._id, changed=changed, count=count
        )


async def enqueue(
    caller: Caller, queue: Queue, call: BoundCall[Any], *, copy_of: str | None = None
) -> Done:
    """Add a job; ``changed`` is whether it is a new one. Raises as `Queue.enqueue`.

    Args:
        caller: Who.
        queue: To which queue.
        call: The call.
        copy_of: Id of the job whose call it is once more.
    """
    id = call.options.values.get("id")
    action = _Action(caller, queue, "enqueue", id, task=call.task, copy_of=copy_of)
    job = await action.run(lambda: queue.enqueue_call(call))
    return Done(action="enqueue", queue=queue.name, id=job.id, changed=job.created)


async def retry(caller: Caller, queue: Queue, id: str) -> Done:
    """Run a finished job again; raises as `Job.retry`."""
    action = _Action(caller, queue, "retry", id)
    await action.run(queue.job(id).retry)
    return action.done()


async def cancel(caller: Caller, queue: Queue, id: str, reason: str | None = None) -> Done:
    """Cancel a job; ``changed`` is whether it had not ended.

    Raises:
        JobNotFound: There is no record of it; or as `Job.cancel` raises.
    """
    job = queue.job(id)

    async def work() -> bool:
        if await job.cancel(reason):
            return True
        if await job.state() is None:
            raise JobNotFound(
                f"there is no record of job {id} in queue {queue.name}. Nothing was changed"
            )
        return False

    action = _Action(caller, queue, "cancel", id, reason=reason and reason[:1000])
    return action.done(changed=await action.run(work))


async def promote(caller: Caller, queue: Queue, id: str) -> Done:
    """Let a job run now that waits for its time; raises as `Job.promote`."""
    action = _Action(caller, queue, "promote", id)
    await action.run(queue.job(id).promote)
    return action.done()


async def remove(caller: Caller, queue: Queue, id: str) -> Done:
    """Forget a job; raises as `Job.remove`."""
    action = _Action(caller, queue, "remove", id)
    await action.run(queue.job(id).remove)
    return action.done()


async def reschedule(
    caller: Caller,
    queue: Queue,
    id: str,
    *,
    delay: float | None = None,
    at: datetime | None = None,
) -> Done:
    """Give a job that waits for its time another one; raises as `Job.reschedule`."""
    job = queue.job(id)
    action = _Action(caller, queue, "reschedule", id, delay=delay, at=at)
    await action.run(lambda: job.reschedule(delay=delay, at=at))
    return action.done()


async def reprioritise(caller: Caller, queue: Queue, id: str, priority: int) -> Done:
    """Give a job that waits another priority; raises as `Job.reprioritise`."""
    job = queue.job(id)
    action = _Action(caller, queue, "reprioritise", id, priority=priority)
    await action.run(lambda: job.reprioritise(priority))
    return action.done()


async def pause(
    caller: Caller, queue: Queue, *, task: str | None = None, key: str | None = None
) -> Done:
    """Start no more jobs, of a task or a key where one is given; see `Queue.pause`."""
    action = _Action(caller, queue, "pause", task=task, key=key)
    return action.done(changed=await action.run(lambda: queue.pause(task=task, key=key)))


async def resume(
    caller: Caller, queue: Queue, *, task: str | None = None, key: str | None = None
) -> Done:
    """Start jobs again; see `Queue.resume`."""
    action = _Action(caller, queue, "resume", task=task, key=key)
    return action.done(changed=await action.run(lambda: queue.resume(task=task, key=key)))


async def drain(caller: Caller, queue: Queue, *, scheduled: bool = False) -> Done:
    """Remove the jobs that wait to run; see `Queue.drain`."""
    action = _Action(caller, queue, "drain", scheduled=scheduled)
    count = await action.run(lambda: queue.drain(scheduled=scheduled))
    return action.done(changed=count > 0, count=count)


async def clean(
    caller: Caller,
    queue: Queue,
    state: JobState | str,
    *,
    older_than: float = 0,
    most: int | None = None,
    task: str | None = None,
    error: str | None = None,
) -> Done:
    """Remove jobs of one state; see `Queue.clean`, whose ``limit`` is ``most`` here."""
    action = _Action(
        caller,
        queue,
        "clean",
        state=str(state),
        older_than=older_than,
        limit=most,
        task=task,
        error=error,
    )
    count = await action.run(lambda: queue.clean(state, older_than, most, task=task, error=error))
    return action.done(changed=count > 0, count=count)


async def replay_all(
    caller: Caller,
    queue: Queue,
    *,
    task: str | None = None,
    error: str | None = None,
    state: JobState | str = "dead",
    before: datetime | None = None,
    most: int | None = None,
) -> Done:
    """Run ended jobs again; see `Queue.replay_all`, whose ``limit`` is ``most`` here."""
    action = _Action(
        caller,
        queue,
        "replay_all",
        state=str(state),
        before=before,
        limit=most,
        task=task,
        error=error,
    )
    count = await action.run(
        lambda: queue.replay_all(task, error, state=state, before=before, limit=most)
    )
    return action.done(changed=count > 0, count=count)


async def promote_all(
    caller: Caller,
    queue: Queue,
    *,
    task: str | None = None,
    key: str | None = None,
    most: int | None = None,
) -> Done:
    """Let jobs run now that wait for their time; see `Queue.promote_all`."""
    action = _Action(caller, queue, "promote_all", task=task, key=key, limit=most)
    count = await action.run(lambda: queue.promote_all(task, key, most))
    return action.done(changed=count > 0, count=count)


async def limit(
    caller: Caller,
    queue: Queue,
    *,
    rate: tuple[int, float] | None = None,
    concurrency: int | None = None,
    task: str | None = None,
    key: str | None = None,
) -> Done:
    """Set a limit; see `Queue.limit`.

    Raises:
        ConfigInvalid: It has neither ``rate`` nor ``concurrency``. To take one away is `unlimit`,
            a right of its own.
    """
    caller.require("limit")
    if rate is None and concurrency is None:
        raise ConfigInvalid(
            "a limit takes rate, concurrency or both, got neither: unlimit takes a limit away"
        )
    action = _Action(caller, queue, "limit", rate=rate, concurrency=concurrency, task=task, key=key)
    await action.run(lambda: queue.limit(rate=rate, concurrency=concurrency, task=task, key=key))
    return action.done()


async def unlimit(
    caller: Caller, queue: Queue, *, task: str | None = None, key: str | None = None
) -> Done:
    """Take a limit away; see `Queue.limit`."""
    action = _Action(caller, queue, "unlimit", task=task, key=key)
    await action.run(lambda: queue.limit(task=task, key=key))
    return action.done()


async def trigger_schedule(caller: Caller, queue: Queue, schedule: str) -> Done:
    """Make a job of a schedule now; ``id`` is that of the job, None where it is not there."""
    action = _Action(caller, queue, "trigger_schedule", schedule=schedule)
    job = await action.run(lambda: queue.trigger(schedule))
    return Done(
        action="trigger_schedule",
        queue=queue.name,
        id=None if job is None else job.id,
        changed=job is not None,
    )


async def pause_schedule(caller: Caller, queue: Queue, schedule: str) -> Done:
    """Stop a schedule's ticks; ``changed`` is whether there is one."""
    action = _Action(caller, queue, "pause_schedule", schedule=schedule)
    return action.done(changed=await action.run(lambda: queue.pause_schedule(schedule)))


async def resume_schedule(caller: Caller, queue: Queue, schedule: str) -> Done:
    """Let a schedule go on; ``changed`` is whether there is one."""
    action = _Action(caller, queue, "resume_schedule", schedule=schedule)
    return action.done(changed=await action.run(lambda: queue.resume_schedule(schedule)))


async def remove_schedule(caller: Caller, queue: Queue, schedule: str) -> Done:
    """Remove a schedule; ``changed`` is whether there was one."""
    action = _Action(caller, queue, "remove_schedule", schedule=schedule)
    return action.done(changed=await action.run(lambda: queue.unschedule(schedule)))


async def quiet_worker(caller: Caller, queue: Queue, worker: str) -> Done:
    """Let a worker claim no more jobs; raises as `Queue.quiet_worker`."""
    action = _Action(caller, queue, "quiet_worker", worker=worker[:_LONGEST])
    await action.run(lambda: queue.quiet_worker(worker))
    return action.done()


async def resume_worker(caller: Caller, queue: Queue, worker: str) -> Done:
    """Let a worker claim jobs again; raises as `Queue.resume_worker`."""
    action = _Action(caller, queue, "resume_worker", worker=worker[:_LONGEST])
    await action.run(lambda: queue.resume_worker(worker))
    return action.done()


async def stop_worker(caller: Caller, queue: Queue, worker: str) -> Done:
    """Let a worker end; raises as `Queue.stop_worker`."""
    action = _Action(caller, queue, "stop_worker", worker=worker[:_LONGEST])
    await action.run(lambda: queue.stop_worker(worker))
    return action.done()
