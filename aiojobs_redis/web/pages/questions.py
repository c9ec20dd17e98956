"""What is asked before an action that cannot be undone, or that is about many jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiojobs_redis.job import JobState
from aiojobs_redis.web.pages.bulk import takes_whole
from aiojobs_redis.web.state import caller_of, queue_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from aiojobs_redis.web.pages.bulk import Selection
    from aiojobs_redis.web.pages.form import Form
    from aiojobs_redis.web.rights import Rights

__all__ = ["Question", "question"]

_VERBS: Final = {
    "retry": "Run {jobs} again",
    "cancel": "Cancel {jobs}",
    "promote": "Run {jobs} now",
    "remove": "Remove {jobs}",
    "reschedule": "Give {jobs} another time",
    "reprioritise": "Give {jobs} another priority",
    "enqueue": "Enqueue {jobs} again",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        title: The question.
        text: What follows from a yes.
        button: What the button of the yes says.
        danger: Whether it cannot be undone.
        narrows: Whether the person may say of how many jobs at most, and of which time.
    """

    title: str
    text: str
    button: str
    danger: bool
    narrows: bool = False


async def question(
    request: Request, action: str, form: Form, selection: Selection
) -> Question | None:
    """Return what to ask before an action; None where it is done at once."""
    if action in _VERBS:
        return _of_jobs(action, selection, caller_of(request).rights)
    if action == "remove_schedule":
        name = form.text("schedule")
        text = "It ticks no more. One that stands in the code comes back with the next worker."
        return Question(f"Remove the schedule {name}?", text, "Remove the schedule", danger=True)
    if action == "stop_worker":
        name = form.text("worker")
        text = (
            "Running jobs have its grace to finish, then they are handed back. Under "
            "'aiojobs-redis worker --processes' it is not started again."
        )
        return Question(f"Stop the worker {name}?", text, "Stop the worker", danger=True)
    if action not in {"drain", "clean", "replay_all"}:
        return None
    queue = queue_of(request, form.or_none("queue"))
    counts = await queue.counts()
    if action == "drain":
        number = counts.queued + counts.blocked
        text = "Running and finished jobs stay, and so do schedules. It cannot be undone."
        jobs = f"{number:,} {{}}job{'' if number == 1 else 's'}"
        title = f"Remove the {jobs.format('waiting ')} of {queue.name}?"
        return Question(title, text, f"Remove {jobs.format('')}", danger=True)
    what = _which(form)
    if action == "clean":
        state = form.text("state")
        size = int(getattr(counts, state)) if state in set(JobState) else 0
        title = f"Remove the {state} jobs of {queue.name}{what}?"
        text = f"There are {size:,} in that state{' in all' if what else ''}. It cannot be undone."
        return Question(title, text, "Remove them", danger=True)
    title = f"Run the dead jobs of {queue.name}{what} again?"
    text = (
        f"There are {counts.dead:,} dead jobs{' in all' if what else ''}. Each gets all attempts."
    )
    return Question(title, text, "Run them again", danger=False, narrows=True)


def _of_jobs(action: str, selection: Selection, rights: Rights) -> Question | None:
    one = selection.count == 1
    danger = action in {"remove", "cancel"}
    if one and selection.wanted is None and action != "remove":
        return None
    jobs = f"{selection.count:,} job{'' if one else 's'}"
    if selection.wanted is not None and selection.state is not None:
        jobs = f"all {selection.count:,} {selection.state} jobs that match"
        if one:
            jobs = f"the {selection.state} job that matches"
    button = _VERBS[action].format(jobs="them" if not one else "it")
    text = "Those whose state does not allow it by then are left alone."
    if action == "remove":
        text = "Their results, errors and logs go with them. It cannot be undone."
    whole = takes_whole(rights, action, selection)
    if selection.rest > 0 and whole is None:
        text = f"{_cut(selection)}; repeat it for the rest. {text}"
    title, narrows = _VERBS[action].format(jobs=jobs), whole == "replay_all"
    return Question(f"{title}?", text, button, danger, narrows)


def _cut(selection: Selection) -> str:
    """Return of how many jobs an action is that does not reach all."""
    if selection.wanted is not None and selection.wanted.looks_inside:
        state, seen, rest = selection.state, selection.seen, selection.rest
        return f"Only {seen:,} of {seen + rest:,} {state} jobs were looked into"
    return f"This takes the first {len(selection.jobs):,}"


def _which(form: Form) -> str:
    task, error = form.text("task"), form.text("error")
    return (f" of the task {task}" if task else "") + (f" that ended by {error}" if error else "")
