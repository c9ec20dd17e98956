"""Jobs that wait for others: a child is told once of the end of each of its parents.

An edge stands for a parent and a child, with how far they are: ``a`` the child waits for the
parent, ``d`` it was told of its end, ``f`` the child has ended, ``k`` it ended because of this
parent. A parent that has ended while there are children to be told is marked: whoever moves
things on next tells them. Those that ended because of one that is replayed run again with it, not
with another job that has its id by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model.reference import abroad, named
from tests.model.reference.job import FINISHED, Error, Job, NewJob

if TYPE_CHECKING:
    from tests.model.reference.queue import Queue

__all__ = [
    "awaited",
    "died_with",
    "drop",
    "find_circle",
    "forget_unknown",
    "hold",
    "is_gate",
    "key_of",
    "let_be",
    "let_go",
    "needed",
    "policy_of",
    "rejoin",
    "release",
    "revive",
    "run_again",
    "settle",
    "state_of",
    "tell",
]

HOUR = 3_600_000
ABROAD = "\udcff"
"""What stands in front of the name of a job of another queue (`abroad.py`)."""
STATES = {"q": "queued", "c": "completed", "d": "dead", "x": "cancelled", "g": "gone"}


def key_of(name: str) -> bytes:
    """Return a name as Redis has it, and sorts it by."""
    return name.encode(errors="surrogateescape")


def is_gate(name: str) -> bool:
    """Whether this is a gate of another queue, behind which jobs wait for their flow."""
    return name.startswith(ABROAD) and f",{ABROAD}" in name


def hold(queue: Queue, child: str, parents: Sequence[str]) -> int:
    """Let a new job wait for its parents; return for how many of them."""
    parents = list(dict.fromkeys(parents))
    for parent in parents:
        if parent.startswith(ABROAD):
            # What was told before may be of another job of this id, or of one that runs again.
            known = queue.abroad.get(parent)
            if known is None:
                queue.abroad[parent] = abroad.Known()
            elif parent not in queue.asked:
                queue.abroad[parent] = known._replace(number=known.number + 1)
            queue.edges[parent, child] = "a"
            queue.asked.add(parent)
            continue
        state = queue.jobs[parent].state
        queue.edges[parent, child] = "d" if state == "completed" else "a"
        if state in ("dead", "cancelled"):
            queue.marks.add(parent)
            queue.wake = queue.wake or not queue.paused
    queue.parents[child] = parents
    return _count(queue, child)


def find_circle(queue: Queue, jobs: Sequence[NewJob]) -> tuple[str, str] | None:
    """Return a new job and a parent of it that waits for it.

    Somebody may wait for a job that is not there yet, where one of that id was removed.
    """
    own: dict[str, Sequence[str]] = {}
    for new in jobs:
        if new.id not in queue.jobs:
            own.setdefault(new.id, new.parents)
    for child in own:
        for parent in dict.fromkeys(own[child]) if child in queue.marks else ():
            found = [parent]
            for job in found:
                above = own.get(job) or [up for up, name in queue.edges if name == job]
                found += [
                    up
                    for up in above
                    if up not in found and (job in own or queue.edges[up, job] == "a")
                ]
            if child in found:
                return child, parent
    return None


def needed(queue: Queue, name: str) -> bool:
    """Whether a job that has not ended may still read what became of this one."""
    edges = [*queue.edges.items(), *queue.queues.items()]
    return any(parent == name and letter in "abcd" for (parent, _), letter in edges)


def awaited(queue: Queue, name: str) -> list[str]:
    """Return the children that wait for a job."""
    return _with(queue, name, "a")


def _with(queue: Queue, name: str, letter: str) -> list[str]:
    edges = queue.edges.items()
    found = [child for (parent, child), at in edges if (parent, at) == (name, letter)]
    return sorted(found, key=key_of)


def release(queue: Queue) -> None:
    """Tell the children of what ended in this call, and of what was marked before.

    First run again those that are to: nobody dies of what one of them was.
    """
    while True:
        if queue.told < len(queue.ended):
            name, state = queue.ended[queue.told]
            queue.told += 1
            _tell_all(queue, name, state)
        elif queue.again:
            _revive_next(queue)
        elif queue.marks:
            name = min(queue.marks, key=key_of)
            queue.marks.remove(name)
            state = state_of(queue, name)
            if state in (*FINISHED, "", "gone"):
                _tell_all(queue, name, state)
        else:
            return


def _tell_all(queue: Queue, name: str, state: str) -> None:
    for child in awaited(queue, name):
        tell(queue, name, state, child)
    for (parent, other), letter in list(queue.queues.items()):
        if (parent, letter) == (name, "b"):
            queue.queues[parent, other] = "c"
            queue.outbox.add((other, parent))


def state_of(queue: Queue, name: str) -> str:
    """Return the state of a job as far as it is known, empty for none."""
    if name.startswith(ABROAD):
        known = None if name in queue.asked else queue.abroad.get(name)
        return STATES[known.letter if known else "q"]
    job = queue.jobs.get(name)
    return dict(queue.ended).get(name, job.state if job else "")


def revive(queue: Queue) -> list[str]:
    """Let run again whatever died of jobs that run again; the ids of those."""
    revived: list[str] = []
    while queue.again:
        revived += _revive_next(queue, replayed=True)
    return revived


def _revive_next(queue: Queue, *, replayed: bool = False) -> list[str]:
    name = min(queue.again, key=key_of)
    queue.again.remove(name)
    if state_of(queue, name) in ("dead", "cancelled", "gone", ""):
        return []
    return [child for child in _with(queue, name, "k") if _revive(queue, name, child, replayed)]


def _revive(queue: Queue, parent: str, child: str, replayed: bool) -> bool:
    """Let a job run again that died of a parent, unless another one has failed as well."""
    job = queue.jobs.get(child)
    if job is None or child in dict(queue.ended) or job.state not in ("dead", "cancelled"):
        del queue.edges[parent, child]
        return False
    own = queue.jobs.get(parent)
    if own and max(job.written.enqueued, job.finished or 0) < own.written.enqueued:
        let_be(queue, parent, child)
        return False
    for other in queue.parents[child]:
        state = state_of(queue, other)
        failed = other != parent and state in ("dead", "cancelled", "gone")
        if failed and policy_of(queue, job, other) not in ("r", "n"):
            queue.edges[parent, child] = "f"
            if not _gone_for_good(queue, state, child):
                queue.edges[other, child] = "k"
            return False
    run_again(queue, job, in_time=True)
    # Another may have its key by now.
    job.options = replace(job.options, unique=None)
    if not rejoin(queue, child, replayed=replayed):
        let_go(queue, job)
    return True


def let_be(queue: Queue, parent: str, child: str) -> None:
    """Let a child that died of a job that had this id stay dead, whatever comes of the id."""
    if queue.edges[parent, child] == "k":
        queue.edges[parent, child] = "f"


def _gone_for_good(queue: Queue, state: str, child: str) -> bool:
    """Whether a parent of this state never runs again.

    The rest of a flow of which the gate is shut may still be added.
    """
    gates = [queue.abroad[name].letter for name in queue.parents[child] if is_gate(name)]
    return state in ("", "gone") and {*gates} <= {"c"}


def died_with(queue: Queue, name: str, others: Iterable[str]) -> bool:
    """Whether a job died of one of some others."""
    return any(queue.edges.get((parent, name)) == "k" for parent in others)


def run_again(queue: Queue, job: Job, *, in_time: bool = False) -> None:
    """Begin the next generation of a finished job.

    Failures, lost leases, the expiry, the arrival number of a wait and a time that is still ahead
    are of the last generation; the errors, and a time that has come, stay as the history. State and
    steps of a job that completed go, and those of another stay: it goes on where it was. One that
    runs again in time, since a parent of which it died does, keeps a time that is still ahead.
    """
    if job.state == "completed":
        job.begin_anew()
        named.forget_named(queue, job)
        job.written = replace(job.written, began=job.generation + 1)
    job.progress = None
    job.said.pop("p", None)
    due = job.written.due
    ahead = due is not None and due > queue.now
    job.written = job.options = replace(
        job.written,
        counted=False,
        expires=None,
        arrival=job.written.arrival if ahead and in_time else None,
        due=None if ahead and not in_time else due,
    )
    job.generation += 1
    job.failures = job.lost = 0
    job.worker, job.started, job.finished, job.result, job.kept = "", None, None, None, False
    job.state = "new"
    queue.note("enqueued", job.id)
    for (parent, other), letter in list(queue.queues.items()):
        if parent == job.id and letter in "cg":
            queue.queues[parent, other] = "b"
            queue.outbox.add((other, parent))
    if _with(queue, job.id, "k"):
        queue.again.add(job.id)


def tell(queue: Queue, parent: str, state: str, child: str) -> None:
    """Tell a child how a job has ended for which it waits."""
    job = queue.jobs.get(child)
    if any(name == child for name, _ in queue.ended):
        return
    if job is None:
        del queue.edges[parent, child]
        return
    policy = policy_of(queue, job, parent)
    if state == "completed" or policy in ("r", "n"):
        queue.edges[parent, child] = "d"
        if state != "completed" and policy == "n":
            for other in queue.parents[child]:
                if queue.edges[other, child] == "a" and not is_gate(other):
                    queue.edges[other, child] = "d"
        if not _count(queue, child):
            let_go(queue, job)
        return
    queue.edges[parent, child] = "f" if _gone_for_good(queue, state, child) else "k"
    error = Error("parent_failed", queue.now, job.failures + 1)
    if policy == "c" or (state == "cancelled" and _swept(queue, parent)):
        queue.call_off(job, error)
    else:
        queue.tally("?", "dead", 1)
        queue.bury(job, error)


def policy_of(queue: Queue, job: Job, parent: str) -> str:
    """Return what the failure of a parent means for a job."""
    letters = job.written.on_parent_failure or "f"
    if is_gate(parent):
        return "c"
    if len(letters) == 1:
        return letters
    named = [one for one in queue.parents[job.id] if not is_gate(one)]
    return letters[1 + named.index(parent) :][:1] or letters[0]


def _swept(queue: Queue, parent: str) -> bool:
    """Whether one that was cancelled was so because of what it depends on."""
    if parent.startswith(ABROAD):
        lines = queue.abroad[parent].value or b""
        return b'"type":"parent_failed"' in lines.rpartition(b"\n")[2]
    return any(error.type == "parent_failed" for error in queue.jobs[parent].errors[-1:])


def let_go(queue: Queue, job: Job) -> None:
    """Let a job go on that waits for no other one any more."""
    due = job.options.due
    if due is not None and due > queue.now:
        queue.wait(job, "scheduled", due)
    else:
        queue.enter(job)


def settle(queue: Queue, *, released: bool = False) -> None:
    """End a call: who has ended waits for nobody, and parents whose children do are marked."""
    left = queue.ended[queue.told :] if released else queue.ended
    queue.marks |= {name for name, _ in left if awaited(queue, name) or _expected(queue, name)}
    for name, _ in queue.ended:
        _close(queue, name, [edge for edge in queue.edges if edge[1] == name])


def _expected(queue: Queue, name: str) -> bool:
    return any((parent, at) == (name, "b") for (parent, _), at in queue.queues.items())


def _close(queue: Queue, child: str, edges: Iterable[tuple[str, str]]) -> None:
    for edge in edges:
        if queue.edges[edge] != "k":
            queue.edges[edge] = "f"


def drop(queue: Queue) -> None:
    """Forget the edges of jobs that are gone, and what the call has noted.

    A job that goes while others wait for it, as when it is removed, is marked for their sake.
    """
    for (parent, _), letter in queue.edges.items():
        if letter == "a" and parent not in queue.jobs and not parent.startswith(ABROAD):
            queue.marks.add(parent)
    for (parent, other), letter in list(queue.queues.items()):
        if letter == "b" and parent not in queue.jobs:
            queue.marks.add(parent)
        elif letter == "g" and parent not in queue.jobs:
            del queue.queues[parent, other]
    for child in queue.parents.keys() - queue.jobs.keys():
        for parent in queue.parents.pop(child):
            queue.edges.pop((parent, child), None)
    forget_unknown(queue)
    queue.ended, queue.told = [], 0


def forget_unknown(queue: Queue) -> None:
    """Forget jobs of other queues that no job of this one depends on."""
    for name in queue.abroad.keys() - {parent for parent, _ in queue.edges}:
        del queue.abroad[name]
        for names in (queue.asked, queue.marks, queue.again):
            names.discard(name)


def rejoin(queue: Queue, child: str, *, replayed: bool = False) -> int:
    """Let a job that runs again wait for those of its parents that are to run too.

    In a replay it does not wait for one that waits for it.
    """
    behind = [
        parent
        for parent in queue.parents.get(child, ())
        if replayed and parent in queue.jobs and child in _above(queue, parent)
    ]
    for parent in queue.parents.get(child, ()):
        job = queue.jobs.get(parent)
        waits = not job.ended if job else state_of(queue, parent) == "queued"
        waits = waits and parent not in behind
        queue.edges[parent, child] = "a" if waits else "d"
        if waits and job is None:
            queue.asked.add(parent)
    count = _count(queue, child)
    if count:
        queue.jobs[child].state, queue.jobs[child].time = "blocked", queue.now
    return count


def _above(queue: Queue, name: str) -> list[str]:
    """Return a job and all for which it waits, through whichever others."""
    found = [name]
    for job in found:
        if job not in queue.jobs or queue.jobs[job].state != "blocked":
            continue
        found += [
            parent
            for (parent, child), letter in queue.edges.items()
            if child == job and letter == "a" and parent not in found
        ]
    return found


def _count(queue: Queue, child: str) -> int:
    return sum(edge[1] == child and letter == "a" for edge, letter in queue.edges.items())
