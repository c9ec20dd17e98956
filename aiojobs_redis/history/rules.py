"""The rules: each a function that yields how one job broke it, with the lines that prove it.

A rule speaks only where the history leaves no other reading: a call whose outcome is unknown may
have been applied or not, a lease whose renewal went unanswered may last longer than is known.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from aiojobs_redis.history.events import TERMINAL
from aiojobs_redis.history.fate import Fate, fate_of, leases_since, start_of
from aiojobs_redis.history.lives import follows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiojobs_redis.history.lives import Life
    from aiojobs_redis.history.model import History, Job, Lease

__all__ = ["RULES", "Breach", "Case"]


class Breach(NamedTuple):
    """How a job broke a rule.

    Attributes:
        message: What happened.
        lines: Lines that prove it.
    """

    message: str
    lines: Sequence[int]


class Case(NamedTuple):
    """What a rule looks at.

    Attributes:
        history: The whole.
        queue: Name of the queue.
        job: The job.
        life: Its leases.
        with_producers: Whether the queue's enqueues were recorded.
        unread: When claims were sent whose reply nobody read, in order.
    """

    history: History
    queue: str
    job: Job
    life: Life
    with_producers: bool
    unread: Sequence[int]


def lost(case: Case) -> Iterator[Breach]:
    """An acknowledged job ends, if the history says that all work was done (Jepsen: lost)."""
    start = start_of(case.job)
    if start is not None and fate_of(case) is Fate.LOST:
        leases = leases_since(start, case.life.leases)
        lines = [*start.lines, *(line for lease in leases for line in lease.lines)]
        witness = case.job.sight if case.job.seen else case.history.drained[case.queue]
        yield Breach(f"its {start.kind} was acknowledged, and it never ended", [*lines, witness])


def corrupted(case: Case) -> Iterator[Breach]:
    """No job is put among the dead because its record and the indexes disagree."""
    for at, line in case.job.corrupt:
        start = start_of(case.job, at)
        # A Redis that lost writes may have lost some of those that belong together.
        if case.history.undone(case.queue, start.invoked if start else 0, at) is None:
            lines = start.lines if start else []
            message = "its record and the indexes disagreed, so that it was put among the dead"
            yield Breach(message, [*lines, line])


def unexpected(case: Case) -> Iterator[Breach]:
    """What is claimed was enqueued by somebody (Jepsen: unexpected)."""
    deeds = list(case.job.enqueues())
    if case.life.leases and case.with_producers and all(deed.refused for deed in deeds):
        how = "its enqueue was refused" if deeds else "nobody had enqueued it"
        lines = [line for deed in deeds for line in deed.lines]
        yield Breach(f"{how}, and it was claimed", [*lines, case.life.leases[0].claim])


def ungranted(case: Case) -> Iterator[Breach]:
    """An attempt starts, and a call is accepted, under a token that was granted."""
    for lease in case.job.leases:
        if not lease.granted and (lease.starts or lease.accepted()):
            what = "it was started" if lease.starts else "a call was accepted"
            yield Breach(f"{what} under token {lease.token}, which no claim granted", lease.lines)


def redelivered_without_cause(case: Case) -> Iterator[Breach]:
    """A job is handed out again only for a cause (Jepsen: duplicated)."""
    for link in case.life.links:
        end = link.earlier.accepted()
        if not link.cause and not link.swapped and not (end and end.kind in TERMINAL):
            yield Breach(
                f"it was handed out again (fence {link.later.fence}) though the lease before it "
                f"(fence {link.earlier.fence}) neither ran out nor was given back",
                [*link.earlier.lines, link.later.claim],
            )


def started_twice(case: Case) -> Iterator[Breach]:
    """One lease is one attempt."""
    for lease in case.life.leases:
        if len(lease.starts) > 1:
            yield Breach(
                f"{len(lease.starts)} attempts were started under fence {lease.fence}", lease.lines
            )


def leases_overlap(case: Case) -> Iterator[Breach]:
    """At most one unexpired lease for a generation of a job (I6)."""
    for earlier, later, *_ in (link for link in case.life.links if link.judged):
        if not later.ms or earlier.renewed > later.ms or earlier.until <= later.ms:
            continue
        if all(deed.refused or follows(deed, later) for deed in earlier.finishes()):
            yield Breach(
                f"fence {later.fence} was granted {earlier.until - later.ms} ms before the lease "
                f"of fence {earlier.fence} was over",
                [*filter(None, (earlier.claim, earlier.renewal)), later.claim],
            )
    for at in case.job.expiries:
        for lease in case.life.leases:
            if lease.ms <= at < lease.until and lease.renewed <= at and lease.accepted() is None:
                yield Breach(
                    f"fence {lease.fence} expired {lease.until - at} ms before its end",
                    lease.lines,
                )


def token_granted_twice(case: Case) -> Iterator[Breach]:
    """No token is granted twice, and those of a job only grow (I7)."""
    for lease, line, owner in case.history.granted_twice:
        if owner is case.job:
            yield Breach(f"token {lease.token} was granted twice", [lease.claim, line])
    for link in case.life.links:
        if link.swapped:
            earlier, later = link.earlier, link.later
            yield Breach(
                f"fence {later.fence} was granted before fence {earlier.fence}",
                [earlier.claim, later.claim],
            )


def completed_twice(case: Case) -> Iterator[Breach]:
    """A generation of a job is ended once (I10)."""
    for lease in case.life.ends:
        ends = [deed for deed in lease.finishes() if deed.accepted]
        if len(ends) > 1:
            yield Breach(f"fence {lease.fence} was accepted {len(ends)} times", lease.lines)
    for first, second in pairwise(case.life.ends):
        if _stale_end(first, second):
            yield Breach(
                f"ends under fence {first.fence} and under fence {second.fence} were accepted",
                [*_end_lines(first), *_end_lines(second)],
            )


def stale_write_accepted(case: Case) -> Iterator[Breach]:
    """A call under an old token is refused (I8)."""
    for earlier, later, *_ in (link for link in case.life.links if link.judged):
        end = earlier.accepted()
        if case.history.undone(case.queue, later.asked, math.inf):
            # A Redis that was set back since may hold the earlier lease for the current one again.
            continue
        if end is not None and follows(end, later):
            both_end = end.kind in TERMINAL and any(
                lease.life == earlier.life and lease is not earlier for lease in case.life.ends
            )
            if not both_end:
                yield Breach(
                    f"{end.kind} under fence {earlier.fence} was accepted after fence "
                    f"{later.fence} was granted",
                    [earlier.claim, later.claim, *end.lines],
                )
        if later.ms and earlier.renewed > later.ms:
            yield Breach(
                f"the lease of fence {earlier.fence} was renewed after fence {later.fence} was "
                "granted",
                [earlier.claim, later.claim, earlier.renewal],
            )


def revived(case: Case) -> Iterator[Breach]:
    """A job that has ended is not handed out again by itself (I9)."""
    for earlier, later, *_ in (link for link in case.life.links if link.judged):
        end = earlier.accepted()
        if end is not None and end.kind in TERMINAL and not follows(end, later):
            yield Breach(
                f"{end.kind} under fence {earlier.fence} was accepted, and fence {later.fence} "
                "was granted all the same",
                [*end.lines, later.claim],
            )


def started_after_end(case: Case) -> Iterator[Breach]:
    """No attempt starts once the end of its generation was acknowledged."""
    for ended in case.life.ends:
        end = ended.accepted()
        if end is None:
            continue
        for lease in case.life.leases:
            late = lease.life == ended.life and lease.started > end.answered
            if late and lease.fence <= ended.fence:
                yield Breach(
                    f"an attempt under fence {lease.fence} started after {end.kind} under fence "
                    f"{ended.fence} was acknowledged",
                    [*end.lines, *lease.starts],
                )


def over_limit(case: Case) -> Iterator[Breach]:
    """Attempts and lost leases stay within their limits, and are counted upwards (I11)."""
    for lease in case.life.leases:
        if lease.attempts and lease.attempt > lease.attempts:
            yield Breach(f"attempt {lease.attempt} of {lease.attempts} started", lease.lines)
        if lease.deliveries and lease.lost >= lease.deliveries:
            yield Breach(
                f"it was handed out after {lease.lost} lost leases, the limit is "
                f"{lease.deliveries}",
                [lease.claim],
            )
    for earlier, later, *_ in (link for link in case.life.links if link.judged):
        end = earlier.accepted()
        given_back = end is not None and end.kind in {"release", "wait"}
        unknown = end is None and any(not deed.refused for deed in earlier.finishes())
        counted = end is not None and end.kind == "retry" and follows(end, later) is False
        if later.failures < earlier.failures + counted or (
            later.lost < earlier.lost and not given_back and not unknown
        ):
            yield Breach(
                f"failures and lost leases went from {earlier.failures} and {earlier.lost} to "
                f"{later.failures} and {later.lost}",
                [earlier.claim, later.claim],
            )


def claimed_early(case: Case) -> Iterator[Breach]:
    """A job is not handed out before its time, by the clock of Redis (I12)."""
    for lease in case.life.leases:
        if lease.ms and lease.due > lease.ms:
            early = lease.due - lease.ms
            yield Breach(f"it was claimed {early} ms before it was due", [lease.claim])
    for earlier, later, *_ in (link for link in case.life.links if link.judged):
        end = earlier.accepted()
        moved = bool(case.job.moved and case.job.moved <= later.granted)
        if end is None or not end.delay or not end.ms or not later.ms or moved:
            continue
        if not follows(end, later) and end.ms + end.delay > later.ms:
            early = end.ms + end.delay - later.ms
            yield Breach(
                f"it was claimed {early} ms before the end of its delay of {end.delay} ms",
                [*end.lines, later.claim],
            )


RULES: Sequence[Callable[[Case], Iterator[Breach]]] = (
    lost,
    corrupted,
    unexpected,
    ungranted,
    redelivered_without_cause,
    started_twice,
    leases_overlap,
    token_granted_twice,
    completed_twice,
    stale_write_accepted,
    revived,
    started_after_end,
    over_limit,
    claimed_early,
)


def _stale_end(first: Lease, second: Lease) -> bool:
    end = first.accepted()
    return first.life == second.life and end is not None and follows(end, second) is True


def _end_lines(lease: Lease) -> list[int]:
    end = lease.accepted()
    return [lease.claim, *(end.lines if end is not None else ())]
