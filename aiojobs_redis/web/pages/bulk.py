"""Many jobs at once: those that were ticked, or all that match a search."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from aiojobs_redis._redis.copying import read_call
from aiojobs_redis.errors import ConfigInvalid, JobNotFound, JobStateError
from aiojobs_redis.job import JobState
from aiojobs_redis.options import check_id
from aiojobs_redis.task import BoundCall
from aiojobs_redis.web import actions
from aiojobs_redis.web.pages.gather import answering, counts_of
from aiojobs_redis.web.pages.jobs import order_of, state_of
from aiojobs_redis.web.pages.listing import Found, find_jobs, find_one
from aiojobs_redis.web.pages.rows import read_tick
from aiojobs_redis.web.pages.search import read_search
from aiojobs_redis.web.state import queue_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from aiojobs_redis.queue import Queue
    from aiojobs_redis.web.actions import Done
    from aiojobs_redis.web.pages.form import Form
    from aiojobs_redis.web.pages.search import Wanted
    from aiojobs_redis.web.rights import Rights
    from aiojobs_redis.web.state import Caller

__all__ = ["Changed", "Selection", "change_jobs", "select", "takes_whole"]

_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs an action is about.

    Attributes:
        jobs: Each with its queue, where they are known one by one.
        queues: Where all jobs that match are meant, the queues of them.
        state: And their state.
        wanted: And what is searched for.
        count: How many there are.
        seen: How many jobs of the state were looked at for that.
        rest: And how many were not: for those an action can be repeated.
        NONE: No job.
    """

    jobs: tuple[tuple[Queue, str], ...] = ()
    queues: tuple[Queue, ...] = ()
    state: JobState | None = None
    wanted: Wanted | None = None
    count: int = 0
    seen: int = 0
    rest: int = 0

    NONE: ClassVar[Selection]


Selection.NONE = Selection()


@dataclass(frozen=True, slots=True)
class Changed:
    """What an action on many jobs has done.

    Attributes:
        done: How many were changed.
        of: Of how many that it tried.
        left: How many more match.
        unseen: How many more may match, since nobody has looked into them.
    """

    done: int
    of: int
    left: int = 0
    unseen: int = 0


def takes_whole(rights: Rights, action: str, selection: Selection) -> str | None:
    """Return the call of a queue that does an action with all that match.

    None where there is none, or where the caller may not make it.
    """
    if selection.wanted is None or not selection.wanted.by_task_and_error:
        return None
    whole = None
    if action == "remove":
        whole = "clean"
    elif action == "retry":
        whole = "replay_all"
    return whole if whole is not None and rights.allows(whole) else None


async def select(request: Request, form: Form) -> Selection:
    """Return the jobs that a form is about.

    Raises:
        ConfigInvalid: It names none.
        QueueNotFound: There is no such queue.
    """
    if form.text("all"):
        return await _matching(request, form)
    jobs = [(queue_of(request, form.or_none("queue")), id) for id in form.every("id")]
    for text in form.every("job"):
        queue, id = read_tick(text)
        jobs.append((queue_of(request, queue), id))
    if not jobs:
        raise ConfigInvalid("no job is chosen: tick some of them, or take all that match")
    checked = tuple((queue, check_id("id", id)) for queue, id in jobs)
    return Selection(checked, count=len(checked))


async def _matching(request: Request, form: Form) -> Selection:
    wanted = read_search(form.text("q"))
    queues = await answering(request, wanted.queue or form.or_none("queue"))
    state = state_of(form.text("state"), JobState.DEAD)
    counts = await counts_of(queues)
    sizes = [int(getattr(each, state.value)) for each in counts]
    newest = order_of(form.text("order"), state)
    searched = rest = 0
    if wanted.id is None:
        found, searched = await find_jobs(queues, sizes, state, wanted, newest=newest)
        rest = sum(sizes) - searched
    else:
        named = {queue.name: queue for queue in queues}
        infos = [info for info in await find_one(queues, wanted) if info.state is state]
        found = [Found(named[info.queue], info.id, info.enqueued_at) for info in infos]
    whole = sum(sizes) if not wanted.looks_inside and wanted.id is None else len(found)
    jobs = tuple((one.queue, one.id) for one in found)
    return Selection(jobs, tuple(queues), state, wanted, whole, searched, rest)


async def change_jobs(caller: Caller, action: str, selection: Selection, form: Form) -> Changed:
    """Do the same with each job.

    Of several jobs, those whose state does not allow it are left alone. Where all that match are
    meant and a queue has one call for that, it is made.
    """
    whole = takes_whole(caller.rights, action, selection)
    if whole is not None:
        return await _change_whole(caller, whole, selection, form)
    done = 0
    for at in range(0, len(selection.jobs), _AT_ONCE):
        part = selection.jobs[at : at + _AT_ONCE]
        ends = await asyncio.gather(
            *(_change_one(caller, action, queue, id, form) for queue, id in part),
            return_exceptions=True,
        )
        done += sum(end is True for end in ends)
        left_alone = () if selection.count == 1 else (JobStateError, JobNotFound)
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, left_alone):
                raise end
    inside = selection.wanted is not None and selection.wanted.looks_inside
    left, unseen = (0, selection.rest) if inside else (selection.rest, 0)
    return Changed(done, len(selection.jobs), left, unseen)


async def _change_whole(caller: Caller, whole: str, selection: Selection, form: Form) -> Changed:
    wanted, state, done = selection.wanted, selection.state or JobState.DEAD, 0
    assert wanted is not None  # noqa: S101 - told the caller
    task, error = wanted.task, wanted.error
    if whole == "clean":
        for queue in selection.queues:
            result = await actions.clean(caller, queue, state, task=task, error=error)
            done += result.count or 0
        return Changed(done, max(done, selection.count))
    before, most = form.instant("before"), form.whole("limit")
    for queue in selection.queues:
        if most is not None and 0 < most <= done:
            break
        result = await actions.replay_all(
            caller,
            queue,
            task=task,
            error=error,
            state=state,
            before=before,
            most=most if most is None else most - done,
        )
        done += result.count or 0
    narrowed = before is not None or most is not None
    return Changed(done, done if narrowed else max(done, selection.count))


async def _change_one(caller: Caller, action: str, queue: Queue, id: str, form: Form) -> bool:
    match action:
        case "cancel":
            done = await actions.cancel(caller, queue, id, form.or_none("reason"))
            return done.changed
        case "retry":
            done = await actions.retry(caller, queue, id)
        case "promote":
            done = await actions.promote(caller, queue, id)
        case "remove":
            done = await actions.remove(caller, queue, id)
        case "reschedule":
            delay = form.seconds("delay")
            if delay is None:
                raise ConfigInvalid("delay is missing: give the seconds from now, such as 90")
            done = await actions.reschedule(caller, queue, id, delay=delay)
        case "reprioritise":
            priority = form.whole("priority")
            if priority is None:
                raise ConfigInvalid("priority is missing: give a whole number, -1024 to 1023")
            done = await actions.reprioritise(caller, queue, id, priority)
        case _:
            done = await _again(caller, queue, id)
    return bool(done.changed)


async def _again(caller: Caller, queue: Queue, id: str) -> Done:
    """Enqueue the call of a job once more, as a new job with the same options."""

    def positional(name: str) -> list[str]:
        task = queue.tasks.get(name)
        return [] if task is None else [one.name for one in task.codec.signature.positional]

    # As it stands: it has been checked once, and its code need not be here.
    found = await read_call(queue.store, id, positional)
    call: BoundCall[Any] = BoundCall(found.task, found.call, found.options, None, queue)
    return await actions.enqueue(caller, queue, call, copy_of=id)
