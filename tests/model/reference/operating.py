"""What people do: cancel, move, pause, replay, remove, keep, wait for an outcome, destroy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.model.reference import flows, limits
from tests.model.reference.abroad import left_to_send
from tests.model.reference.job import Error, Job
from tests.model.reference.queue import BAND, KEEP, Message, Queue
from tests.model.reference.unique import take_again

__all__ = [
    "ask_worker",
    "cancel",
    "change",
    "destroy",
    "keep",
    "move",
    "outcome",
    "pause",
    "promote",
    "remove",
    "replay",
]


LETTERS = {
    "scheduled": "s",
    "queued": "q",
    "blocked": "b",
    "running": "r",
    "retrying": "t",
    "completed": "c",
    "dead": "d",
    "cancelled": "x",
}
_STATES = {letter: state for state, letter in LETTERS.items()}


def cancel(queue: Queue, call: str, name: str, error: Error) -> str:
    """Cancel a job that waits; of one that runs note the wish and tell its worker.

    Return its state before. A call of which the job may not tell is noted: where it runs, or is
    kept for less than usual.
    """
    if call in queue.batches:
        return _STATES[queue.batches[call][2]]
    job = queue.jobs.get(name)
    if job is None:
        return ""
    before, options = job.state, job.options
    if before == "running":
        if not job.to_cancel:
            job.to_cancel = True
            job.add_error(error)
        queue.remember(call, LETTERS[before])
        queue.messages.append(Message(job.worker, "cancel", job.id, error, job.token))
    elif not job.ended:
        if queue.most[1] is not None or options.keep_cancelled < KEEP:
            queue.remember(call, LETTERS[before])
        queue.stop_following(job)
        queue.call_off(job, error)
        if before == "queued":
            queue.give_up_turn(options)
        flows.release(queue)
        flows.settle(queue, released=True)
        queue.make_room()
        flows.drop(queue)
        limits.tell_freed(queue)
        if left_to_send(queue) and not queue.paused:
            queue.wake = True
    elif before == "cancelled" and job.errors[-1:] == [error]:
        # The answer of the call that did it was lost.
        return "queued"
    return before


def move(
    queue: Queue,
    call: str,
    name: str,
    *,
    priority: int | None = None,
    delay: int | None = None,
    at: int | None = None,
    promote: bool = False,
) -> str:
    """Give a waiting job another time or priority, in place. Return its state before.

    A queued job keeps its place among those that came when it did, or takes the turn of its key.
    """
    if call in queue.batches:
        return _STATES[queue.batches[call][2]]
    job = queue.jobs.get(name)
    if job is None:
        return ""
    before = job.state
    timed = promote or delay is not None or at is not None
    if before not in ("scheduled", "retrying") and (before != "queued" or timed):
        return before
    old = job.options
    if priority is not None:
        _record(job, "priority", priority)
    if before == "queued":
        assert job.place is not None
        keyed = job.options.key is not None
        place = queue.place(job, None if keyed else job.place % BAND)
        if keyed:
            queue.keep_floor(job, place)
        elif not job.suspect:
            queue.keep_head(1023 - place // BAND)
        job.place, job.turn = place, None
        queue.give_up_turn(old)
    elif timed:
        due = queue.now if promote else queue.now + delay if delay is not None else at
        assert due is not None
        if before == "scheduled" and job.started is None:
            _record(job, "due", due)
        if due > queue.now:
            queue.wait(job, before, due)
        else:
            queue.enter(job)
    queue.remember(call, LETTERS[before])
    return before


def promote(queue: Queue, call: str, states: Sequence[str], names: Sequence[str]) -> str:
    """Let jobs that wait for their time queue up now, if they are in one of some states.

    Return a letter for each: that of its state, in upper case where it is queued now; - for none.
    A call that is sent again is answered as the first time.
    """
    if not queue.exists:
        return "-" * len(names)
    if call in queue.batches:
        return queue.batches[call][2]
    letters, moved = "", list[Job]()
    for name in names:
        job = queue.jobs.get(name)
        letter = "q" if job in moved else LETTERS[job.state] if job else "-"
        if job and job not in moved and job.state in states:
            if job.state == "scheduled" and job.started is None:
                _record(job, "due", queue.now)
            moved.append(job)
            letter = letter.upper()
        letters += letter
    queue.enter_together(moved, queue.places(moved))
    queue.batches[call] = (1, queue.now, letters)
    return letters


def _record(job: Job, option: str, value: int) -> None:
    changed: dict[str, Any] = {option: value}
    job.options = replace(job.options, **changed)
    job.written = replace(job.written, **changed)


def pause(queue: Queue, call: str, *, paused: bool) -> int:
    """Let no job start any more, or let them start again; whether that changed anything.

    A call that is sent again is answered as the first time, like all that have a number.
    """
    if call in queue.batches:
        return 1
    if queue.paused is paused:
        return 0
    queue.open()
    queue.paused = paused
    queue.note("paused" if paused else "resumed")
    if not paused and queue.of("queued"):
        queue.wake = True
    queue.remember(call)
    return 1


def replay(queue: Queue, call: str, names: Sequence[str]) -> list[str]:
    """Run finished jobs again, as their next generation; return the state of each before.

    One whose unique key another one holds stays as it is; in place of its state stands that id.
    Those that ended because of one of them run again as well: the ids of these follow, behind a +.
    """
    if call in queue.batches:
        return [_STATES.get(each, each) for each in _unpack(queue.batches[call][2])]
    before = []
    began: list[Job] = []
    again: list[Job] = []
    places: list[int] = []
    chosen = [name for name in names if name in queue.jobs and queue.jobs[name].ended]
    for name in names:
        job = queue.jobs.get(name)
        before.append("queued" if job in began else job.state if job else "")
        if job is None or not job.ended:
            continue
        holder = take_again(queue, job)
        if holder is not None:
            before[-1] = f"u{holder}"
            continue
        flows.run_again(queue, job, in_time=flows.died_with(queue, name, chosen))
        began.append(job)
    # Each sees then that the others run again.
    for job in began:
        due = job.options.due or 0
        if flows.rejoin(queue, job.id, replayed=True):
            continue
        if due > queue.now:
            queue.wait(job, "scheduled", due)
        else:
            again.append(job)
            places.append(queue.place(job))
    queue.enter_together(again, places)
    revived = flows.revive(queue)
    before += [f"+{name}" for name in revived]
    if began or revived:
        queue.remember(call, "".join(map(_netstring, before)))
    return before


def _netstring(state: str) -> str:
    text = LETTERS.get(state, state)
    return f"{len(text)}:{text}"


def _unpack(text: str) -> list[str]:
    found = []
    while text:
        size, _, rest = text.partition(":")
        found.append(rest[: int(size)])
        text = rest[int(size) :]
    return found


def change(queue: Queue, name: str, before: bytes, spec: bytes) -> str:
    """Give a job that waits another spec, if it has the one that is expected.

    Return the letter of its state, in upper case where it was changed; ! where it has another spec.
    What it did with other arguments it forgets.
    """
    job = queue.jobs.get(name)
    if job is None:
        return ""
    letter = LETTERS[job.state]
    if job.spec == spec != before:
        # Sent again, after an answer that was lost.
        return letter.upper()
    if letter not in "qstb":
        return letter
    if job.spec != before:
        return "!"
    if job.spec != spec:
        job.spec = spec
        job.begin_with_others()
    return letter.upper()


def _is_old(queue: Queue, job: Job, states: Sequence[str], age: int, moment: int | None) -> bool:
    added = job.options.enqueued
    if moment is None:
        return (added if job.finished is None else job.finished) <= queue.now - age
    due = None if "scheduled" in states else job.options.due
    return max(added, due or 0, job.started or 0) <= moment


def remove(
    queue: Queue,
    call: str,
    states: Sequence[str],
    age: int,
    names: Sequence[str],
    moment: int | None = None,
) -> str:
    """Forget jobs that wait or have ended, if they are in one of some states and old enough.

    With a moment, those that waited by then, of which none has started or fallen due since.
    Return a letter for each: that of its state, in upper case where it went; - for none. A call
    that is sent again is answered as the first time.
    """
    if not queue.exists:
        return "-" * len(names)
    if call in queue.batches:
        return queue.batches[call][2]
    letters, given_up = "", []
    for name in names:
        job = queue.jobs.get(name)
        if job is None:
            letters += "-"
            continue
        letter = LETTERS[job.state]
        old = _is_old(queue, job, states, age, moment)
        if job.state != "running" and job.state in states and old:
            queue.stop_following(job)
            queue.let_follow(name)
            limits.let_go(queue, job)
            queue.tell(job, "cancelled", None)
            del queue.jobs[name]
            queue.note("removed", name)
            if job.state == "queued":
                given_up.append(job.options)
            letter = letter.upper()
        letters += letter
    for options in given_up:
        queue.give_up_turn(options)
    queue.make_room()
    flows.drop(queue)
    limits.tell_freed(queue)
    queue.remember(call, letters)
    return letters


def keep(queue: Queue, call: str, most: tuple[int | None, int | None, int | None]) -> int:
    """Set how many completed, cancelled and dead jobs are kept; whether that changed anything."""
    if call in queue.batches:
        return 1
    if queue.most == most:
        return 0
    queue.open()
    queue.most = most
    queue.remember(call)
    return 1


def outcome(queue: Queue, name: str, channel: str) -> tuple[str, bytes | list[Error] | None]:
    """Return how a job ended, or else remember who is to be told."""
    job = queue.jobs.get(name)
    if job is None:
        return "", None
    if job.state == "completed":
        return job.state, job.result
    if job.ended:
        return job.state, job.errors
    if channel and channel not in job.waiters:
        job.waiters.append(channel)
    return job.state, None


def ask_worker(queue: Queue, call: str, worker: str, letter: str) -> int:
    """Keep what a worker is to obey, the last word only; whether it was seen in the last minute."""
    if call in queue.batches:
        return 1
    if worker not in queue.workers or queue.now - queue.workers[worker][0] >= 60_000:
        return 0
    queue.words[worker] = letter + call
    queue.remember(call)
    queue.messages.append(Message(worker, "beat", "", None))
    return 1


def destroy(queue: Queue, born: int | None, *, force: bool) -> int | list[int]:
    """Remove everything, -1, unless jobs run or wait to; then return how many of them do.

    One that was made at another time is another queue, and stays.
    """
    if queue.born != born:
        return -1
    running = len(queue.of("running"))
    waiting = len(queue.of("queued", "scheduled", "blocked", "retrying"))
    if running + waiting and not force:
        return [running, waiting]
    queue.empty()
    return -1
