"""Jobs that wait for jobs of other queues, and queues that wait for jobs of this one.

A job of another queue stands among the parents by a name that no id can have. What is known of it
here is what was told last. A queue that waits for a job of this one is, in its letter: ``b`` it
waits, ``c`` it is to be told of the end, ``g`` it was told.

A flow over several queues is added part by part. Each job of the first parts waits for a gate too,
which stands for the last part: that one is added together with the word that the gate is open, and
if it never comes, the jobs are cancelled. A gate's id is one that no job can have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.model.reference import flows, limits
from tests.model.reference.job import FINISHED

if TYPE_CHECKING:
    from tests.model.reference.queue import Queue

__all__ = [
    "LETTERS",
    "Known",
    "asking",
    "base36",
    "expect",
    "hear",
    "left_to_send",
    "pass_on",
    "post",
    "promise",
    "raise_to",
]

LETTERS = {"completed": "c", "dead": "d", "cancelled": "x"}


class Known(NamedTuple):
    """What this queue was told of a job of another one: a letter, and its result or errors.

    It says, too, when that job was enqueued, as text: another job may get its id.
    """

    number: int = 0
    letter: str = "q"
    value: bytes | None = None
    enqueued: str = ""


def hear(queue: Queue, told: Sequence[tuple[str, int, str, bytes]]) -> str:
    """Be told of jobs of other queues: name, number, stamp, value. Return a digit a job.

    What is older than what was told before changes nothing. Who died of another job that had the
    id before is not to run again with this one.
    """
    answer = ""
    for name, number, stamp, value in told:
        children = [child for parent, child in queue.edges if parent == name]
        known = queue.exists and bool(children)
        answer += str(int(known))
        if not known or number < queue.abroad[name].number:
            continue
        letter, was = stamp[-1], queue.abroad[name].enqueued
        enqueued = stamp.split(",")[1] if "," in stamp else ""
        if was and enqueued and was != enqueued:
            queue.again.discard(name)
            for edge in [one for one in queue.edges if one[0] == name]:
                flows.let_be(queue, *edge)
        value_now = None if letter == "q" else value
        queue.abroad[name] = Known(number, letter, value_now, enqueued or was)
        letters = [at for (parent, _), at in queue.edges.items() if parent == name]
        if letter in "qc" and "k" in letters:
            queue.again.add(name)
        if letter != "q":
            queue.asked.discard(name)
            queue.marks.add(name)
        elif "a" in letters:
            queue.asked.add(name)
    if queue.exists:
        pass_on(queue)
    return answer


def expect(queue: Queue, other: str, names: Sequence[str]) -> list[Any]:
    """Let another queue wait for jobs; return a number, and of each a letter and a value.

    What has ended has its stamp for a letter.
    """
    if not queue.exists:
        return [
            queue.now,
            *[("w" if name.startswith(flows.ABROAD) else "g", b"") for name in names],
        ]
    found = []
    for name in names:
        stamp = _standing(queue, name)
        letter = stamp[-1]
        if name.startswith(flows.ABROAD):
            letter = "c" if (other, name) in queue.outbox else "w"
        elif letter == "q":
            queue.queues[name, other] = "b"
        elif letter != "g" and queue.queues.get((name, other)) != "c":
            queue.queues[name, other] = "g"
        whole = letter in "cdx" and not name.startswith(flows.ABROAD)
        found.append((stamp if whole else letter, _value(queue, name, letter)))
    return [_number(queue), *found]


def post(queue: Queue, who: str, taken: Sequence[tuple[str, str, str, bool]]) -> list[Any]:
    """Note what other queues were told, and return what they are to be told next.

    For two seconds nobody else gets anything.
    """
    if not queue.exists:
        return [queue.now]
    for other, name, stamp, known in taken:
        if _standing(queue, name) != stamp:
            continue
        queue.outbox.discard((other, name))
        if stamp[-1] in "cdx" or queue.queues.get((name, other)) == "c":
            queue.queues.pop((name, other), None)
        if known and stamp[-1] in "cdx" and not name.startswith(flows.ABROAD):
            queue.queues[name, other] = "g"
    if queue.handing is not None and queue.handing[1] != who and queue.handing[0] >= queue.now:
        return [queue.now]
    messages = sorted(queue.outbox, key=lambda each: flows.key_of(f"{each[0]},{each[1]}"))
    if not messages:
        queue.handing = None
        return [queue.now]
    queue.handing = (queue.now + 2_000, who)
    found = []
    for other, name in messages:
        stamp = _standing(queue, name)
        found.append((other, name, stamp, _value(queue, name, stamp[-1])))
    return [_number(queue), *found]


def promise(queue: Queue, told: Sequence[tuple[str, str]]) -> None:
    """Note, with jobs that are added, which queues wait for them, or for their gate."""
    for other, name in told:
        if name.startswith(flows.ABROAD):
            queue.outbox.add((other, name))
        elif queue.jobs[name].state not in FINISHED:
            queue.queues[name, other] = "b"
        elif queue.queues.get((name, other)) != "c":
            # It was there before, and the queue is told again.
            queue.queues[name, other] = "b"
            queue.marks.add(name)


def raise_to(queue: Queue, floors: Mapping[str, int], names: Iterable[str]) -> None:
    """Note below which number what other queues told comes late, for those who wait anew."""
    for name in names:
        known, floor = queue.abroad.get(name), floors.get(name[1:].partition(",")[0], 0)
        if known is not None:
            queue.abroad[name] = known._replace(number=max(known.number, floor))


def asking(queue: Queue) -> list[tuple[str, int]]:
    """Return the jobs of other queues that somebody waits for, and for how long."""
    found = []
    for name in sorted(queue.asked, key=flows.key_of):
        waiting = flows.awaited(queue, name)
        if waiting:
            found.append((name, max(0, queue.now - (queue.jobs[waiting[0]].time or 0))))
        else:
            queue.asked.discard(name)
    return found


def pass_on(queue: Queue) -> None:
    """Tell whoever depends on what has ended; ring for a worker where something is left to tell."""
    flows.release(queue)
    flows.settle(queue, released=True)
    queue.make_room()
    flows.drop(queue)
    limits.tell_freed(queue)
    if not queue.paused and (queue.marks or queue.again or left_to_send(queue)):
        queue.wake = True


def left_to_send(queue: Queue) -> bool:
    """Whether somebody is to tell other queues."""
    return bool(queue.outbox) and (queue.handing is None or queue.now > queue.handing[0])


def _standing(queue: Queue, name: str) -> str:
    if name.startswith(flows.ABROAD):
        return "1c"
    job = queue.jobs.get(name)
    if job is None:
        return "0g"
    letter = LETTERS[job.state] if job.state in FINISHED else "q"
    return f"{job.generation},{base36(job.written.enqueued)},{letter}"


def base36(number: int) -> str:
    """Return a time as stamps and headers have it."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits.rjust(8, "0")


def _value(queue: Queue, name: str, letter: str) -> Any:
    if letter in "qgw" or name.startswith(flows.ABROAD):
        return b""
    job = queue.jobs[name]
    return job.result or b"" if letter == "c" else list(job.errors)


def _number(queue: Queue) -> int:
    queue.sent = max((queue.sent or 0) + 1, queue.now)
    return queue.sent
