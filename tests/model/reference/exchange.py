"""Completions in, claims out: the one call by which a worker's jobs end and new ones start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.model.reference import ageing, flows, limits, ranks
from tests.model.reference.abroad import left_to_send
from tests.model.reference.job import Brief, Error, Job, Token
from tests.model.reference.named import wait_for
from tests.model.reference.queue import BAND, KEEP, Operation, Queue
from tests.model.reference.upkeep import forward, reclaim

__all__ = ["Completion", "Exchange", "exchange"]


@dataclass(frozen=True, repr=False)
class Completion(Brief):
    """How an attempt ended.

    Attributes:
        id: The job.
        token: Of the lease under which it ran.
        code: ``c`` completed, ``t`` try again, ``d`` dead, ``z`` snoozed, ``x`` cancelled,
            ``r`` handed back, ``l`` the same and its scope is closed for a while, ``b`` the worker
            does not know its task, ``w`` it waits for jobs.
        argument: How long to keep the result, None for the default; or how long to wait.
        value: The result, the name of the task, or what a failed one of those jobs means.
        error: Why it failed, or was cancelled.
        ms: How long it ran.
        names: The jobs for which it waits.
        floors: By queue, the number below which what it told of them comes late.
    """

    id: str
    token: Token
    code: str = "c"
    argument: int | None = None
    value: bytes = b""
    error: Error | None = None
    ms: int = 0
    names: tuple[str, ...] = ()
    floors: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, repr=False)
class Exchange(Brief):
    """What a worker sends.

    Attributes:
        incarnation: The worker process; its name may come again, this does not.
        counter: One higher an exchange.
        nonce: Second half of the tokens that this exchange is to get.
        worker: Its name.
        limit: Free slots.
        may_suspect: Whether it holds no job that may kill it.
        lease: Length of the leases that it asks for, ms; None for that of each job.
        after: Counter of the one that is on its way before this one, 0 for none.
        completions: How its jobs ended, all of one task.
        adopt: Tasks that it knows and of which jobs are parked; ``*`` of one that takes any task.
    """

    incarnation: str
    counter: int
    nonce: str
    worker: str = "w"
    limit: int = 0
    may_suspect: bool = True
    lease: int | None = None
    after: int = 0
    completions: tuple[Completion, ...] = ()
    adopt: tuple[str, ...] = ()


def exchange(queue: Queue, call: Exchange) -> list[Any]:
    """Return status, now, next due time, next tick, ids whose token was old, claims.

    Where it was applied, also whether other queues are to be told of something, and ids of jobs
    that may not wait for what they named.
    """
    if not queue.exists:
        return ["NONE", queue.now, -1, -1, [], []]
    due, tick, lease_end = queue.next_due(), queue.next_tick(), queue.next_lease_end()
    before = queue.operations.get(call.incarnation, [])
    last = before[0].counter if before else 0
    if call.after > last:
        return ["EARLY", queue.now, due, tick, [], []]
    if call.counter <= last:
        for operation in before:
            if operation.counter == call.counter:
                again = _claims_of(queue, operation)
                return ["AGAIN", queue.now, due, tick, list(operation.lost), again]
        return ["STALE", queue.now, due, tick, [], []]
    queue.released, limited = False, queue.limited
    naming: list[tuple[Job, Completion]] = []
    lost, accepted = _accept(queue, call.completions, naming)
    first_limit = queue.limited and not limited
    if first_limit:
        # Nothing was made in the script to keep it; the next exchange does.
        call = replace(call, limit=0)
    if queue.released or 0 <= due <= queue.now:
        forward(queue, 50)
    if 0 <= lease_end < queue.now:
        reclaim(queue, 50)
    _adopt(queue, call)
    refused = [
        job.id
        for job, ended in naming
        if not wait_for(queue, job, ended.names, ended.value.decode(), dict(ended.floors))
    ]
    flows.release(queue)
    to_send = left_to_send(queue)
    limits.open_scopes(queue)
    if call.limit:
        ageing.lift_aged(queue)
    claims = _claim(queue, call)
    limits.keep_starts(queue)
    flows.settle(queue, released=True)
    _make_room(queue, accepted)
    queue.make_room()
    flows.drop(queue)
    limits.tell_freed(queue)
    left = queue.queued(suspect=False) or queue.queued(suspect=True) or queue.of("running")
    if accepted and not left:
        queue.note("drained", "")
    if queue.happened:
        queue.happened["@"] = [call.worker]
    if call.completions or call.limit:
        done = Operation(
            call.counter, queue.now, call.nonce, tuple(lost), tuple(claim[0] for claim in claims)
        )
        queue.operations[call.incarnation] = [done, *before[:1]]
    suspects = queue.queued(suspect=True) if call.may_suspect else []
    room = first_limit or limits.queue_room(queue, 1)
    waits = (queue.queued(suspect=False) or suspects) and room
    to_tell = bool(queue.marks or queue.again)
    if not queue.paused and (waits or to_tell):
        queue.wake = True
    due = queue.now if to_tell else queue.next_due()
    return ["OK", queue.now, due, tick, lost, claims, to_send, refused]


def _claims_of(queue: Queue, operation: Operation) -> list[Any]:
    """Answer again: of the claimed jobs those that are still held under that exchange."""
    jobs = [queue.jobs[name] for name in operation.claimed if name in queue.jobs]
    return [_claim_of(job) for job in jobs if job.token and job.token.nonce == operation.nonce]


def _claim_of(job: Job) -> list[Any]:
    assert job.token is not None
    return [
        job.id,
        job.spec,
        job.token.fence,
        (job.generation, job.failures, job.lost, job.carries),
    ]


def _accept(
    queue: Queue, completions: Sequence[Completion], naming: list[tuple[Job, Completion]]
) -> tuple[list[str], list[Job]]:
    """End what ran under its current token; the others are lost, and for them nothing changes.

    Those that wait for jobs are added to a list: whatever else ended in this call counts for them.
    """
    lost: list[str] = []
    accepted: list[Job] = []
    for ended in completions:
        job = queue.jobs.get(ended.id)
        if job is None or job.token != ended.token:
            lost.append(ended.id)
            continue
        accepted.append(job)
        queue.tally("work", "ms", ended.ms)
        what = {"c": "completed", "t": "failed", "d": "dead", "z": "snoozed", "x": "cancelled"}
        code = "x" if job.to_cancel and ended.code != "c" else ended.code
        if code in what:
            queue.tally("work", what[code], 1)
        queue.reported = {job.id: "work"}
        if ended.code == "w" and not job.to_cancel:
            limits.let_go(queue, job)
            job.state, job.token, job.time = "new", None, None
            naming.append((job, ended))
        else:
            _act(queue, job, ended)
        queue.reported = {}
    return lost, accepted


def _make_room(queue: Queue, accepted: Sequence[Job]) -> None:
    """Forget a few more finished jobs than there are new ones, so that the work is spread."""
    for kept in (False, True):
        new = [job for job in accepted if job.state == "completed" and job.kept is kept]
        if new:
            until = queue.now if kept else queue.now - KEEP
            queue.evict("completed", until, 2 * len(new) + 10, kept=kept)


def _error(ended: Completion) -> Error:
    assert ended.error is not None
    return ended.error


def _act(queue: Queue, job: Job, ended: Completion) -> None:
    code, delay = ended.code, ended.argument or 0
    if code in {"t", "d"}:
        queue.note("failed", job.id)
    if code == "c":
        queue.complete(job, ended.argument, ended.value)
    elif job.to_cancel:
        # It was to be cancelled: it may have completed by itself, but neither dies nor runs again.
        queue.call_off(job)
    elif code == "d":
        queue.bury(job, _error(ended))
    elif code == "t":
        job.failures += 1
        job.add_error(_error(ended))
        queue.note("retrying", job.id)
        queue.put_off(job, "retrying", delay)
    elif code == "z":
        limits.let_go(queue, job)
        queue.put_off(job, "scheduled", delay)
    elif code == "x":
        queue.call_off(job, _error(ended))
    elif code == "b":
        limits.let_go(queue, job)
        job.state, job.time, job.token = "blocked", queue.now, None
        job.parked_for = ended.value.decode()
        _unstart(queue, job)
    elif code == "u":
        _unstart(queue, job)
        assert job.place is not None
        queue.come_back(job, job.place)
    elif code == "l" and ended.value == b"k" and job.options.key is None:
        limits.let_go(queue, job)
        queue.put_off(job, "scheduled", delay)
    else:
        if code == "l" and delay:
            key, scope = f"k{job.options.key}", ended.value.decode()
            limits.close_for(queue, key if scope == "k" else scope, delay)
        # Handed back by a worker that is well: the leases lost before say nothing any more.
        job.lost = 0
        assert job.place is not None
        queue.come_back(job, job.place)


def _unstart(queue: Queue, job: Job) -> None:
    """Take back what a claim counted as a start that was none."""
    limits.uncount(queue, job)
    job.started = job.started if job.options.restarted else None
    starts = max(0, job.options.starts - 1)
    job.options = replace(job.options, starts=starts, windows=None)


def _adopt(queue: Queue, call: Exchange) -> None:
    """Parked jobs of tasks that this worker knows queue up, as many as it can run.

    They go in their order to their old place, those with a key to its next turn. Where any task
    will do, only those go that are before what is queued.
    """
    room = call.limit
    adopted: list[Job] = []
    places: list[int] = []
    for task in call.adopt:
        for job in _any_parked(queue, room) if task == "*" else _parked(queue, task)[:room]:
            assert job.place is not None
            job.parked_for = None
            adopted.append(job)
            places.append(job.place if job.options.key is None else queue.place(job))
            room -= 1
    for job, place in zip(adopted, places, strict=True):
        if job.lost < 2:
            queue.keep_head(1023 - place // BAND)
    queue.enter_together(adopted, places)


def _parked(queue: Queue, task: str | None = None) -> list[Job]:
    parked = [
        job for job in queue.of("blocked") if job.parked_for and task in (None, job.parked_for)
    ]
    return sorted(parked, key=lambda job: (job.place or 0, job.parked_for, job.id.encode()))


def _any_parked(queue: Queue, most: int) -> list[Job]:
    room = 0 if queue.paused else limits.queue_room(queue, most)
    ready = [job.place or 0 for job in queue.queued(suspect=False)]
    parked = enumerate(_parked(queue))
    return [
        job
        for number, job in parked
        if number + sum(place < (job.place or 0) for place in ready) < room
    ]


def _claim(queue: Queue, call: Exchange) -> list[Any]:
    """Lease the next jobs, and one suspect where it ranks among them.

    Who is held back by a limit leaves its slot to the next one.
    """
    most = limits.queue_room(queue, call.limit)
    claims: list[Any] = []
    if queue.paused or not most:
        return claims
    may_suspect, parked = call.may_suspect, set[str]()
    ranked = queue.ranked and ranks.is_ranked(queue)
    while True:
        wanted = most - len(claims)
        taken = _next(queue, wanted, may_suspect)
        _lease(queue, call, taken, claims, parked, ranked=ranked)
        may_suspect = False
        if not queue.limited or len(taken) < wanted or len(claims) == most:
            break
    rule = queue.rules.get("q")
    if rule and rule.starts is not None:
        for _ in claims:
            limits.count_start(queue, "q", rule)
    return claims


def _next(queue: Queue, wanted: int, may_suspect: bool) -> list[Job]:
    taken = queue.queued(suspect=False)[:wanted]
    suspects = queue.queued(suspect=True)[:1] if may_suspect else []
    if suspects and len(taken) == wanted:
        better = (suspects[0].place or 0) <= (taken[-1].place or 0)
        taken, suspects = (taken[:-1], suspects) if better else (taken, [])
    return [*taken, *suspects]


def _lease(
    queue: Queue,
    call: Exchange,
    taken: list[Job],
    claims: list[Any],
    parked: set[str],
    *,
    ranked: bool,
) -> None:
    if queue.is_fair:
        # Arrivals follow, so that jobs without a key stay among those that have one.
        queue.arrivals = max([queue.arrivals or 0, *((job.place or 0) % BAND for job in taken)])
    fence = queue.fence or 0
    queue.fence = fence + len(taken)
    for at, job in enumerate(taken):
        expires, windows = job.options.expires, job.options.windows
        kept = job.started is not None and job.slots
        if expires is not None and expires < queue.now and job.started is None:
            queue.tally("?", "dead", 1)
            limits.pass_on(queue, job)
            queue.bury(job, Error("expired", queue.now, 1))
        elif job.options.starts >= (job.options.max_starts or math.inf):
            queue.tally("?", "dead", 1)
            limits.pass_on(queue, job)
            queue.bury(job, Error("max_starts", queue.now, job.failures + 1))
        elif limits.hold_back_or_start(queue, job):
            fence += 1
            if ranked and not kept:
                job = ranks.trade(queue, taken, at, windows, parked)
            queue.lease(job, Token(fence, call.nonce), call.worker, call.lease)
            queue.note("started", job.id)
            claims.append(_claim_of(job))
        else:
            parked.add(job.id)
