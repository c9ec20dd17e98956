"""What the buttons do: a POST asks where much would go, does it, and leads back to the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.web import actions
from aiojobs_redis.web.pages.bulk import Changed, Selection, change_jobs, select
from aiojobs_redis.web.pages.form import read_form
from aiojobs_redis.web.pages.notices import SENTENCES
from aiojobs_redis.web.pages.questions import question
from aiojobs_redis.web.pages.render import render
from aiojobs_redis.web.pages.rows import tick
from aiojobs_redis.web.state import caller_of, queue_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from aiojobs_redis.queue import Queue
    from aiojobs_redis.web.actions import Done
    from aiojobs_redis.web.pages.form import Form
    from aiojobs_redis.web.state import Caller

__all__ = ["change"]

_OF_JOBS: Final = frozenset(
    {"retry", "cancel", "promote", "remove", "reschedule", "reprioritise", "enqueue"}
)


async def change(request: Request) -> Response:
    """Do what a button says; ask first where that cannot be undone or is of many jobs."""
    action = request.path_params["action"]
    if action not in SENTENCES:
        raise HTTPException(404)
    form = await read_form(request)
    caller = caller_of(request)
    # Who may not do it is told so, not asked.
    caller.require(action)
    selection = await select(request, form) if action in _OF_JOBS else Selection.NONE
    if not form.text("sure"):
        asked = await question(request, action, form, selection)
        if asked is not None:
            return render(
                request,
                "confirm.html",
                question=asked,
                action=action,
                fields={k: v[0] for k, v in form.fields.items() if k not in {"id", "job"}},
                jobs=_ticks(selection),
                returns=_local(request, form.text("back")),
            )
    if action in _OF_JOBS:
        return _back(request, form, action, await change_jobs(caller, action, selection, form))
    queue = queue_of(request, form.or_none("queue"))
    result = await _OTHERS[action](caller, queue, form)
    count = result.count if result.count is not None else int(result.changed)
    return _back(request, form, action, Changed(count, count))


def _ticks(selection: Selection) -> list[str]:
    """Return the jobs that were chosen one by one, as the page that asks sends them again."""
    one_by_one = selection.jobs if selection.wanted is None else ()
    return [tick(queue.name, id) for queue, id in one_by_one]


def _back(request: Request, form: Form, action: str, changed: Changed) -> Response:
    target = _local(request, form.text("back"))
    told = {"did": action, "n": changed.done, "of": changed.of}
    more = {"left": changed.left, "unseen": changed.unseen}
    notice = urlencode(told | {name: number for name, number in more.items() if number})
    return RedirectResponse(f"{target}{'&' if '?' in target else '?'}{notice}", 303)


def _local(request: Request, wanted: str) -> str:
    """Return where to go on: a page of this dashboard, whatever was asked for."""
    root: str = request.scope.get("root_path", "") + "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return root
    # A browser takes \ for /, and // for another host.
    outside = parts.scheme or parts.netloc or "\\" in wanted or wanted.startswith("//")
    return root if outside or not wanted.startswith(root) else wanted


async def _drain(caller: Caller, queue: Queue, form: Form) -> Done:
    return await actions.drain(caller, queue, scheduled=bool(form.text("scheduled")))


async def _clean(caller: Caller, queue: Queue, form: Form) -> Done:
    task, error = form.or_none("task"), form.or_none("error")
    return await actions.clean(caller, queue, form.text("state"), task=task, error=error)


async def _replay_all(caller: Caller, queue: Queue, form: Form) -> Done:
    task, error = form.or_none("task"), form.or_none("error")
    before, most = form.instant("before"), form.whole("limit")
    return await actions.replay_all(caller, queue, task=task, error=error, before=before, most=most)


async def _promote_all(caller: Caller, queue: Queue, form: Form) -> Done:
    return await actions.promote_all(
        caller, queue, task=form.or_none("task"), key=form.or_none("key")
    )


async def _limit(caller: Caller, queue: Queue, form: Form) -> Done:
    starts, window = form.whole("starts"), form.seconds("window")
    rate: Any = None if starts is None and window is None else (starts, window)
    concurrency = form.whole("concurrency")
    if rate is None and concurrency is None:
        raise ConfigInvalid(
            "a limit says how many jobs run at once, or how many start in how many seconds: fill "
            "one of them in. 'Take away' ends a limit"
        )
    return await actions.limit(
        caller,
        queue,
        rate=rate,
        concurrency=concurrency,
        task=form.or_none("task"),
        key=form.or_none("key"),
    )


async def _unlimit(caller: Caller, queue: Queue, form: Form) -> Done:
    return await actions.unlimit(caller, queue, task=form.or_none("task"), key=form.or_none("key"))


def _of(
    what: str, act: Callable[[Caller, Queue, str], Awaitable[Done]]
) -> Callable[[Caller, Queue, Form], Awaitable[Done]]:
    return lambda caller, queue, form: act(caller, queue, form.text(what))


async def _pause(caller: Caller, queue: Queue, form: Form) -> Done:
    return await actions.pause(caller, queue, task=form.or_none("task"), key=form.or_none("key"))


async def _resume(caller: Caller, queue: Queue, form: Form) -> Done:
    return await actions.resume(caller, queue, task=form.or_none("task"), key=form.or_none("key"))


_OTHERS: Final[dict[str, Callable[[Caller, Queue, Form], Awaitable[Done]]]] = {
    "pause": _pause,
    "resume": _resume,
    "drain": _drain,
    "clean": _clean,
    "replay_all": _replay_all,
    "promote_all": _promote_all,
    "limit": _limit,
    "unlimit": _unlimit,
    "trigger_schedule": _of("schedule", actions.trigger_schedule),
    "pause_schedule": _of("schedule", actions.pause_schedule),
    "resume_schedule": _of("schedule", actions.resume_schedule),
    "remove_schedule": _of("schedule", actions.remove_schedule),
    "quiet_worker": _of("worker", actions.quiet_worker),
    "resume_worker": _of("worker", actions.resume_worker),
    "stop_worker": _of("worker", actions.stop_worker),
}
