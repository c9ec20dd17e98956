"""Unique keys: who holds one, and what becomes of a job whose key is taken.

Nothing is done to a key when a job ends: whether the job still holds it is seen by its record. Only
what waits for that end goes on then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.model.reference import ranks
from tests.model.reference.job import Job, NewJob, Unique
from tests.model.reference.lines import Lines
from tests.model.reference.queue import BAND, Queue
from tests.model.reference.turns import FRONT

__all__ = ["Decided", "decide", "free", "hold", "holder_of", "take_again", "vacate"]


def holder_of(queue: Queue, key: str) -> str | None:
    """Return the id of the job that keeps others of this key out, by its state or its window."""
    name, end = queue.unique.get(key, ("", None))
    job = queue.jobs.get(name)
    if _holds(queue, job, key) or (end is not None and queue.now < end):
        return name
    return None


def _holds(queue: Queue, job: Job | None, key: str) -> bool:
    """Whether a job has a key by its state, or since another one waits for its end."""
    if job is None:
        return False
    followed = not job.ended and queue.followers.get(job.id, ("", ""))[0] == key
    return job.holds(key, queue.now) or followed


def hold(queue: Queue, name: str, unique: Unique) -> None:
    """Let a job have a key, and start its window."""
    window = unique.window
    queue.unique[unique.key] = (name, None if window is None else queue.now + window)


@dataclass
class Decided:
    """What is to become of the jobs of a call.

    Attributes:
        jobs: The jobs; one that was superseded in the call is as the last one of its key says.
        flags: 1 to be added, 0 its id is taken, 2 over its rate, 3 its key is taken, 4 it has
            replaced the one that has it, 5 its line is full.
        ids: Of those that are there instead of the last two.
        behind: By place, the job whose end another waits for.
        owners: By key, the place of the job that takes it.
        windows: By place, the window that another one of the call has begun in its stead.
    """

    jobs: list[NewJob]
    flags: str = ""
    ids: list[str] = field(default_factory=list)
    behind: dict[int, str] = field(default_factory=dict)
    owners: dict[str, int] = field(default_factory=dict)
    windows: dict[int, int | None] = field(default_factory=dict)


def decide(
    queue: Queue, jobs: Sequence[NewJob], lines: Lines, refuse: Callable[[NewJob], str]
) -> Decided:
    """Return what is to become of jobs; those that are there already are replaced at once."""
    decided = Decided(list(jobs))
    added: set[str] = set()
    for at, new in enumerate(jobs):
        flag, other = "", None
        if new.id in queue.jobs or new.id in added:
            flag = "0"
        elif new.unique is not None and new.unique.key in decided.owners:
            flag, other = _meet_own(decided, lines, new, new.unique)
        elif new.unique is not None:
            flag, other = _meet_holder(queue, decided, lines, new, new.unique)
        decided.flags += flag or refuse(new) or "1"
        if flag and other is not None:
            decided.ids.append(other)
        elif decided.flags[-1] == "1":
            added.add(new.id)
            if other is not None:
                decided.behind[at] = other
            elif new.unique is not None:
                decided.owners[new.unique.key] = at
    return decided


def _meet_own(
    decided: Decided, lines: Lines, new: NewJob, unique: Unique
) -> tuple[str, str | None]:
    """Meet one of the same call: it is added once, as the last one says."""
    at = decided.owners[unique.key]
    first = decided.jobs[at]
    assert first.unique is not None
    if unique.conflict != "keep":
        if not lines.has_room(new, first):
            return "5", None
        decided.windows.pop(at, None)
        _supersede(decided, at, new)
        return "4", first.id
    if unique.extend and first.unique.window is not None:
        decided.windows[at] = unique.window
    return "3", first.id


def _supersede(decided: Decided, at: int, new: NewJob) -> None:
    first = decided.jobs[at]
    decided.jobs[at] = replace(new, id=first.id, task=first.task, runs=new.task)


def _meet_holder(
    queue: Queue, decided: Decided, lines: Lines, new: NewJob, unique: Unique
) -> tuple[str, str | None]:
    """Meet the job that has the key; an id without a flag is that of a job to be followed."""
    name = holder_of(queue, unique.key)
    if name is None:
        return "", None
    job = queue.jobs.get(name)
    holds = _holds(queue, job, unique.key)
    waits = job is not None and job.started is None and name not in queue.followers
    # One that runs again goes on with the jobs that it has named.
    waits = waits and job is not None and job.options.named is None
    if job is not None and holds and unique.conflict != "keep" and waits:
        if _becomes_another(job) and not lines.has_room(new, job.options):
            return "5", None
        _replace(queue, job, new)
        return "4", name
    if holds and unique.conflict == "follow":
        for at, leader in decided.behind.items():
            if leader == name and not lines.has_room(new, decided.jobs[at]):
                return "5", None
            if leader == name:
                _supersede(decided, at, new)
                return "4", decided.jobs[at].id
        follower = queue.jobs.get(queue.followers.get(name, ("", ""))[1])
        if follower is not None and follower.waits_for(unique.key):
            if not lines.has_room(new, follower.options):
                return "5", None
            _replace(queue, follower, new, follower=True)
            return "4", follower.id
        return "", name
    if unique.extend and queue.unique[unique.key][1] is not None:
        hold(queue, name, unique)
    return "3", name


def _becomes_another(job: Job) -> bool:
    return not (job.state == "blocked" or job.slots or job.held_back)


def _replace(queue: Queue, job: Job, new: NewJob, *, follower: bool = False) -> None:
    """Let a job that was not started be another one, under its id and its arrival number.

    One that a limit holds back, or has let out, only gets the arguments of the other. State and
    steps of a generation before belong to the old arguments.
    """
    options, job.spec = new.options(queue.now), new.spec
    if not follower and new.unique is not None:
        hold(queue, job.id, new.unique)
    job.begin_with_others()
    began = job.written.began
    if not follower and not _becomes_another(job):
        job.options = replace(job.options, unique=new.unique, began=began)
        job.written = replace(job.written, unique=new.unique, began=began)
        return
    later = options.due is not None and options.due > queue.now
    number, arrival = job.options.arrival or 0, None
    if job.state == "queued" and job.options.key is None:
        arrival = (job.place or 0) % BAND
    if job.state == "queued" and later:
        if arrival is None:
            queue.keyed = (queue.keyed or 0) + 1
        number = arrival or queue.keyed or 0
    if follower or later:
        options = replace(options, arrival=number)
    options = replace(options, began=began)
    before, waited = job.options, job.state == "queued"
    same = (options.key, options.priority) == (before.key, before.priority)
    keeps_turn = waited and not later and same and options.key is not None
    job.options, job.written, job.turn = options, options, None
    if not keeps_turn:
        job.order = None
    elif job.order is None:
        ranks.stand(queue, job, job.place or 0)
    if not follower and later:
        queue.wait(job, "scheduled", options.due or 0)
    elif not follower and not keeps_turn:
        if arrival is not None and (arrival < FRONT) != options.lifo:
            arrival = None
        if arrival is not None and options.key is None:
            queue.keep_head(options.priority)
        queue.enter(job, arrival)
    if waited and not keeps_turn:
        queue.give_up_turn(before)
    if options.key is not None and job.state != "queued":
        queue.keyed = queue.keyed or 0


def take_again(queue: Queue, job: Job) -> str | None:
    """Let a job that is replayed hold its key, or return the id of the one that does.

    A window limits enqueues only.
    """
    unique = job.written.unique
    if unique is None or unique.until == "window":
        return None
    name, end = queue.unique.get(unique.key, ("", None))
    other = queue.jobs.get(name)
    if _holds(queue, other, unique.key):
        return name
    if end is not None and queue.now >= end:
        end = None
    queue.unique[unique.key] = (job.id, end)
    return None


def free(queue: Queue, call: str, name: str) -> int:
    """Let a job give up its key, where it holds it; whether it did. A follower has it then."""
    if call in queue.batches:
        return 1
    job = queue.jobs.get(name)
    unique = job.written.unique if job else None
    if job is None or unique is None or holder_of(queue, unique.key) != name:
        return 0
    job.give_up(unique.key, queue.now)
    del queue.unique[unique.key]
    queue.let_follow(name)
    queue.remember(call)
    return 1


def vacate(queue: Queue) -> int:
    """Forget the keys that nobody holds, and followers that wait no more; how many keys."""
    for leader, (key, name) in list(queue.followers.items()):
        first, follower = queue.jobs.get(leader), queue.jobs.get(name)
        if first is None or first.ended or first.has_expired(queue.now):
            queue.let_follow(leader)
        elif follower is None or not follower.waits_for(key):
            del queue.followers[leader]
    stale = [key for key in queue.unique if holder_of(queue, key) is None]
    for key in stale:
        del queue.unique[key]
    return len(stale)
