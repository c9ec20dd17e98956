"""What a page says after an action: chosen from fixed sentences, so that no link can forge one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NOTICE", "SENTENCES", "read_notice"]

SENTENCES: Final = {
    "retry": "{n} jobs run again.",
    "cancel": "{n} jobs cancelled.",
    "promote": "{n} jobs run now.",
    "remove": "{n} jobs removed.",
    "reschedule": "{n} jobs have another time.",
    "reprioritise": "{n} jobs have another priority.",
    "enqueue": "{n} jobs enqueued.",
    "pause": "The queue is paused: running jobs finish, no other starts.",
    "resume": "The queue goes on.",
    "drain": "{n} waiting jobs removed.",
    "clean": "{n} jobs removed.",
    "replay_all": "{n} dead jobs run again.",
    "promote_all": "{n} jobs run now.",
    "limit": "The limit is in force.",
    "unlimit": "The limit is taken away.",
    "trigger_schedule": "The schedule has made a job.",
    "pause_schedule": "The schedule is paused.",
    "resume_schedule": "The schedule goes on with its next tick.",
    "remove_schedule": "The schedule is removed; its jobs stay.",
    "quiet_worker": "The worker is asked to be quiet: running jobs finish, it claims no other.",
    "resume_worker": "The worker is asked to claim jobs again.",
    "stop_worker": "The worker is asked to stop: running jobs have its grace.",
}


NOTICE: Final = frozenset({"did", "n", "of", "left", "unseen"})
"""Parameters of a notice, which are no part of the page that shows it."""


def read_notice(params: Mapping[str, str]) -> str:
    """Return the sentence for what was done, empty where nothing was.

    Args:
        params: ``did``, the action; ``n``, how many jobs; ``of``, of how many that it tried;
            ``left``, how many more match; ``unseen``, how many more nobody has looked into.
    """
    sentence = SENTENCES.get(params.get("did", ""))
    if sentence is None:
        return ""
    count = _number(params, "n")
    if count == 1:
        sentence = sentence.replace("jobs run", "job runs").replace("jobs have", "job has")
        sentence = sentence.replace("jobs", "job")
    parts = [sentence.format(n=f"{count:,}")]
    others = _number(params, "of") - count
    if others > 0:
        parts.append(_unchanged(others, params["did"]))
    left, unseen = _number(params, "left"), _number(params, "unseen")
    if left:
        parts.append(f"{left:,} more {'match' if left > 1 else 'matches'}: repeat it.")
    if unseen:
        verb = "were" if unseen > 1 else "was"
        parts.append(f"{unseen:,} more {verb} not looked into: repeat it.")
    return " ".join(parts)


def _number(params: Mapping[str, str], name: str) -> int:
    text = params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _unchanged(number: int, action: str) -> str:
    """Return what became of those that were tried and not changed."""
    one = number == 1
    if action == "enqueue":
        return f"{number:,} {'was' if one else 'were'} not: another job holds its unique key."
    who, verb = ("other was", "was") if one else ("others were", "were")
    return f"{number:,} {who} in another state by then, and {verb} left alone."
