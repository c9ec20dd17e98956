"""What kinds of things queues told each other in a step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.model.reference.flows import is_gate

if TYPE_CHECKING:
    from tests.model.steps import Step

__all__ = ["opened_gates", "what_queues_told"]


def opened_gates(step: Step) -> set[str]:
    """Return the gates of which this queue was told that they are open."""
    if step.name != "hear":
        return set()
    letters = {name: letter for name, (_, letter, *_) in step.after["abroad"].items()}
    return {name for name, *_ in step.args[0] if is_gate(name) and letters.get(name) == "c"}


def what_queues_told(step: Step) -> Iterator[str]:
    """Return what kind of thing it was."""
    if step.name == "hear":
        for (name, number, stamp, _), known in zip(step.args[0], step.reply, strict=True):
            before = step.before["abroad"].get(name, (0, "q", None, ""))
            letter, enqueued = stamp[-1], stamp.split(",")[1] if "," in stamp else ""
            if known == "0":
                yield "told in vain"
            elif number < before[0]:
                yield "told too late"
            elif is_gate(name):
                yield "a gate opened" if letter == "c" else "a gate stayed shut"
            else:
                yield f"told {letter} after {before[1]}"
                if enqueued and before[3] and enqueued != before[3]:
                    died = [edge for edge, at in step.before["edges"].items() if at == "k"]
                    dead = any(parent == name for parent, _ in died)
                    yield "told of another job" + " that had killed" * dead
    elif step.name == "expect":
        for letter, _ in step.reply[1:]:
            yield f"expected {letter[-1]}"
    elif step.name == "post":
        for _, name, stamp, _ in step.reply[1:]:
            yield "handed over a gate" if name.startswith("\udcff") else f"handed over {stamp[-1]}"
        left = step.after["outbox"]
        for other, name, _, _ in step.args[1]:
            if (other, name) in left:
                yield "taken, and has gone on since"
