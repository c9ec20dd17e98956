"""Jobs that go on without others for which they wait, and others that nobody else needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model.reference import abroad, flows
from tests.model.reference.job import Error, Job, Options
from tests.model.reference.operating import LETTERS

if TYPE_CHECKING:
    from tests.model.reference.queue import Queue

__all__ = ["detach", "prune"]

FAILED = ("dead", "cancelled", "gone", "")


def detach(queue: Queue, call: str, name: str, parent: str) -> str:
    """Let a job wait for a parent no more; return the letter of its state.

    In upper case where that was so; else it waits for nobody, or says why it stays as it was.
    """
    if call in queue.batches:
        return queue.batches[call][2]
    job = queue.jobs.get(name)
    if job is None:
        return ""
    if not _waits(queue, job):
        return LETTERS[job.state]
    if parent not in queue.parents[name] or flows.is_gate(parent):
        return "-"
    told = queue.edges[parent, name] != "a" and flows.state_of(queue, parent) in FAILED
    if told and flows.policy_of(queue, job, parent) == "n":
        return "n"
    _forget(queue, job, [parent])
    answer = LETTERS[job.state].upper()
    queue.remember(call, answer)
    return answer


def prune(queue: Queue, call: str, name: str, jobs: Sequence[tuple[str, Error | None, str]]) -> str:
    """Cancel jobs that have not started and that nobody needs; one waits for them no more.

    Each comes with why, None where it is only asked whether it would be cancelled, and with queues
    that need it no more. Return the letter of the job, in upper case where it waited for others,
    and a digit for each of the jobs.
    """
    if call in queue.batches:
        return queue.batches[call][2]
    job = queue.jobs.get(name)
    waits = job is not None and _waits(queue, job)
    without = {name} if waits else set[str]()
    digits, chosen = "", list[tuple[Job, Error]]()
    for other, error, queues in jobs:
        own = queue.jobs.get(other)
        goes = own is not None and other not in without and _unstarted(own)
        goes = goes and not _missed(queue, other, without, queues.split(","))
        digits += str(int(goes))
        if own is not None and goes:
            without.add(other)
            chosen += [(own, error)] if error else []
    answer = ("-" if job is None else "B" if waits else LETTERS[job.state]) + digits
    if not chosen:
        return answer
    if job is not None and waits:
        _forget(queue, job, without - {name})
    queued = [own for own, _ in chosen if own.state == "queued"]
    for own, error in chosen:
        queue.stop_following(own)
        queue.call_off(own, error)
    for own in queued:
        queue.give_up_turn(own.options)
    abroad.pass_on(queue)
    queue.remember(call, answer)
    return answer


def _waits(queue: Queue, job: Job) -> bool:
    return job.state == "blocked" and bool(
        [edge for edge, letter in queue.edges.items() if (edge[1], letter) == (job.id, "a")]
    )


def _unstarted(job: Job) -> bool:
    return job.state in ("queued", "scheduled", "blocked") and job.started is None


def _missed(queue: Queue, name: str, without: Collection[str], queues: Collection[str]) -> bool:
    """Whether another job that has not ended depends on one, or another queue waits for it."""
    for (parent, child), letter in queue.edges.items():
        if parent == name and letter in "ad" and child not in without:
            return True
    waiting = {
        other for (parent, other), at in queue.queues.items() if parent == name and at in "bc"
    }
    return not waiting <= {*queues}


def _forget(queue: Queue, job: Job, gone: Collection[str]) -> None:
    """Let a job know nothing of some parents, and go on where it waits for no others."""
    before = queue.parents[job.id]
    job.options = _without(job.options, before, gone)
    job.written = _without(job.written, before, gone)
    queue.parents[job.id] = [parent for parent in before if parent not in gone]
    if not queue.parents[job.id]:
        del queue.parents[job.id]
    for parent in gone:
        queue.edges.pop((parent, job.id), None)
    flows.forget_unknown(queue)
    if not _waits(queue, job) and len(queue.parents.get(job.id, ())) < len(before):
        flows.let_go(queue, job)


def _without(options: Options, parents: Sequence[str], gone: Collection[str]) -> Options:
    """Return options in which nothing stands for some parents."""
    letters = options.on_parent_failure or ""
    named = [parent for parent in parents if not flows.is_gate(parent)]
    own = [letter for parent, letter in zip(named, letters[1:], strict=False) if parent not in gone]
    # Those that the job has named itself have none.
    count = options.named
    return replace(
        options,
        on_parent_failure=letters[:1] + "".join(own) + letters[len(named) + 1 :]
        if letters
        else options.on_parent_failure,
        named=None if count is None else sum(parent not in gone for parent in parents[:count]),
    )
