"""What a page says after an action: chosen from fixed sentences, so that no link can forge one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SENTENCES", "read_notice"]

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


def read_notice(params: Mapping[str, str]) -> str:
    """Return the sentence for what was done, empty where nothing was.

    Args:
        params: ``did``, the action; ``n``, how many jobs; ``of``, of how many.
    """
    sentence = SENTENCES.get(params.get("did", ""))
    if sentence is None:
        return ""
    number, asked = params.get("n", ""), params.get("of", "")
    count = int(number) if number.isdecimal() and len(number) < 10 else 0
    if count == 1:
        sentence = sentence.replace("jobs run", "job runs").replace("jobs have", "job has")
        sentence = sentence.replace("jobs", "job")
    text = sentence.format(n=f"{count:,}")
    if asked.isdecimal() and len(asked) < 10 and int(asked) > count:
        text += _left(int(asked) - count, params["did"])
    return text


def _left(number: int, action: str) -> str:
    """Return what became of those that were not changed."""
    if action == "enqueue":
        one = number == 1
        return f" {number:,} {'was' if one else 'were'} not: another job holds its unique key."
    return f" {number:,} others were in another state by then, and were left alone."
