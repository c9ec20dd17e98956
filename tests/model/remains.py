"""What holds of each step of what jobs leave beside their records, and of calls made once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.model.steps import Step

__all__ = [
    "a_call_has_one_owner",
    "notes_are_taken_from_the_holder_only",
    "steps_are_not_undone",
]


def notes_are_taken_from_the_holder_only(step: Step) -> Iterator[str]:
    """I8: what is said under a token that is not the current one is named lost, and not kept."""
    if step.name != "jot":
        return
    tokens = {name: job["token"] for name, job in step.before["jobs"].items()}
    old = [note.id for note in step.args[0] if tokens.get(note.id) != tuple(note.token)]
    if step.reply[1] != old:
        yield f"lost are {step.reply[1]}, and not {old}"
    heard = {note.id for note in step.args[0] if tokens.get(note.id) == tuple(note.token)}
    for name, job, later in step.stay():
        if name not in heard and job != later:
            yield f"{name} was changed by what its holder did not say"


def a_call_has_one_owner(step: Step) -> Iterator[str]:
    """Whoever is told to make a call is the only running job that makes it."""
    if step.name != "take_once" or step.reply[0] != "OWN":
        return
    key, name, token = step.args
    call = step.before.get("calls", {}).get(key)
    if call is None or call["token"] == tuple(token):
        return
    tokens = {job["token"] for job in step.before["jobs"].values()}
    if call["ends"] is None and call["token"] in tokens:
        yield f"{name} was told to make {key}, which a running job makes"
    if call["ends"] is not None and call["ends"] > step.now:
        yield f"{name} was told to make {key}, which is done"


def steps_are_not_undone(step: Step) -> Iterator[str]:
    """What a job has done stays done until it runs anew, or becomes another one."""
    for name, job, later in step.stay():
        anew = step.name == "replay" and job["state"] == "completed"
        # Another one of its unique key may have the same arguments.
        anew |= job.get("spec") != later.get("spec")
        anew |= job["written"].get("began") != later["written"].get("began")
        before, after = (each["steps"] + each["new_steps"] for each in (job, later))
        if step.name != "destroy" and not anew and not after.startswith(before):
            yield f"{name} has lost steps by {step.name}"
