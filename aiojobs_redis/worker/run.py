"""One claimed job in this process: its lease, its attempt, and why the attempt is to end."""

from __future__ import annotations

import asyncio
import enum
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from aiojobs_redis._redis.inspector import read_errors
from aiojobs_redis.context import JobContext
from aiojobs_redis.errors import LeaseLost
from aiojobs_redis.spec import read_header, whole
from aiojobs_redis.worker import clock
from aiojobs_redis.worker.notes import Notes

if TYPE_CHECKING:
    from aiojobs_redis._redis.store import Claim, Store
    from aiojobs_redis.spec import Spec
    from aiojobs_redis.task import Task
    from aiojobs_redis.worker.completion import Completion
    from aiojobs_redis.worker.lane import Lane

__all__ = ["USUAL_LEASE_MS", "Reason", "Run"]

T = TypeVar("T")

_BARE_HEADER = 10
USUAL_LEASE_MS = 15_000
_SHORT_TIMEOUT = 5.0
_HELD_PART = (1 - clock.MARGIN) / 1000
"""Seconds that a worker counts on, for each ms of a lease."""


class Reason(enum.Enum):
    """Why an attempt is to end before its task does."""

    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    LOST = "lost"
    """The lease is somebody else's, or may be: what the task returns is dropped."""
    FENCED = "fenced"
    """The lease could not be renewed in time; handed back in case it is still ours."""
    SHUTDOWN = "shutdown"


class Run:
    """A claimed job.

    Attributes:
        lane: The queue's lane in this worker.
        key: The job's id in UTF-8, as Redis returns it.
        token: ``<fence>,<nonce>``, which names this lease.
        claim: What Redis handed out.
        header: Options for Lua.
        body: The spec, as stored.
        spec: Task, arguments, options; None until it is decoded.
        task: The task, None when it is unknown.
        lease_ms: Length of the lease.
        deadline: Boot-time second at which the worker gives the lease up unless renewed.
        reason: Why the attempt is to end, None while it is not.
        fenced: Whether its lease could not be renewed in time, whatever else it is to end for.
        ended: When the attempt ended, as ``started`` monotonic seconds; 0 where nobody asks.
        claimed_ms: When it was claimed, by the server's clock; 0 where nobody asks.
        begun: Whether its asyncio task has run; one cancelled before that would never report.
        entered: Whether its task has begun, and may have had effects.
        done: Whether its completion is on its way.
        suspect: Whether it has lost two leases, and may take its worker along.
        carries: Whether an attempt before has left a state or steps.
        wish: The error with the reason why somebody cancelled it, as stored; None while nobody did.
        error: Why its attempt failed, for whoever is told of that.
        closing: Whether its task has ended, and its last words are on their way.
        ending: How the attempt has ended, while they are.
        left: What it leaves beside its record, None while nothing.
    """

    header: bytes
    body: bytes
    key: bytes
    token: str
    deadline: float
    # Defaults stand here and not in the constructor: most runs change few of them.
    keep_result: str = ""
    lease_ms: int = USUAL_LEASE_MS
    spec: Spec | None = None
    task: Task[..., Any] | None = None
    job: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    timeout: float | None = None
    started: float = 0.0
    ended: float = 0.0
    claimed_ms: int = 0
    reason: Reason | None = None
    fenced: bool = False
    begun: bool = False
    entered: bool = False
    done: bool = False
    suspect: bool = False
    carries: bool = False
    wish: bytes | None = None
    error: BaseException | None = None
    closing: bool = False
    ending: Completion | None = None
    left: Notes | None = None
    _revoked: asyncio.Event | None = None
    _told: threading.Event | None = None
    _context: JobContext | None = None

    def __init__(self, lane: Lane, claim: Claim, nonce: str, held_since: float) -> None:
        # What is stored may be damaged: a run is made of it all the same, and ends dead.
        self.header, _, self.body = claim.blob.partition(b"\n")
        self.lane = lane
        self.claim = claim
        self.key = claim.id
        self.token = f"{claim.fence},{nonce}"
        if claim.counts:
            self.suspect, self.carries = claim.lost >= 2, claim.carries
        if len(self.header) > _BARE_HEADER:
            options = read_header(self.header)
            self.lease_ms = _number(options.get("l", ""), USUAL_LEASE_MS)
            self.keep_result = str(_number(options.get("r", ""), ""))
        self.deadline = held_since + self.lease_ms * _HELD_PART

    def begin(self, timeout: float | None, loop: asyncio.AbstractEventLoop) -> None:
        """Count the time of the attempt from now on.

        Args:
            timeout: Seconds that it may take, None for no limit.
            loop: The running loop.
        """
        self.timeout = timeout
        self.started = time.monotonic()
        if timeout is not None and timeout < _SHORT_TIMEOUT:
            # Longer ones are looked for four times a second, which costs a job nothing.
            self.timer = loop.call_later(timeout, self.stop, Reason.TIMEOUT)

    @property
    def id(self) -> str:
        """The job's id."""
        return self.key.decode(errors="replace")

    def hold(self, since: float) -> None:
        """Note that the lease was renewed by a call that was sent then, in boot-time seconds."""
        until = since + self.lease_ms * _HELD_PART
        # A lease that was extended further stays so.
        self.deadline = max(self.deadline, until)

    def failed(self, error: BaseException | None) -> None:
        """Note why the attempt failed, where somebody is to be told of it.

        An error leads by its traceback back to the run: a cycle for the garbage collector.
        """
        if self.lane.failures is not None:
            self.error = error

    @property
    def store(self) -> Store:
        """The job's queue in Redis."""
        return self.lane.store

    @property
    def context(self) -> JobContext:
        """What the task can ask."""
        if self._context is None:
            spec = self.spec
            self._context = JobContext(
                self,
                id=self.id,
                task=spec.task if spec else "?",
                queue=self.lane.queue.name,
                attempt=self.claim.failures + 1,
                generation=self.claim.generation,
                lost_deliveries=self.claim.lost,
                headers=spec.headers if spec else {},
                fencing_token=self.claim.fence,
                header=self.header,
            )
        return self._context

    @property
    def once(self) -> bool:
        """Whether it must not run again, even when its attempt was cut off."""
        return len(self.header) > _BARE_HEADER and "m" in read_header(self.header)

    @property
    def revoked(self) -> asyncio.Event:
        """Set when the lease is lost."""
        if self._revoked is None:
            self._revoked = asyncio.Event()
            if self.revoked_now:
                self._revoked.set()
        return self._revoked

    @property
    def notes(self) -> Notes:
        """What it leaves beside its record."""
        # Threads of a task may ask for the first time at once, and get the same.
        return self.left or self.__dict__.setdefault("left", Notes(self))

    @property
    def revoked_now(self) -> bool:
        """Whether the lease is lost, or may be."""
        return self.fenced or self.reason is Reason.LOST

    @property
    def stopping(self) -> bool:
        """Whether the attempt is to end."""
        return self.reason is not None

    @property
    def told(self) -> threading.Event:
        """Set when the attempt is to end."""
        # Whoever stops it sets the reason first and looks for the event then, this the other way.
        told = self._told or self.__dict__.setdefault("_told", threading.Event())
        if self.stopping:
            told.set()
        return told

    @property
    def fallen(self) -> bool:
        """Whether its asyncio task has ended, and it has not; one that waits has none yet."""
        return not self.done and (self.begun if self.job is None else self.job.done())

    def overdue(self, *, hangs: bool) -> bool:
        """Whether it has outrun its timeout so far that nobody waits for it any more.

        A loop that answers cancels it and lets it unwind, for which it has a lease; one that hangs
        does neither.

        Args:
            hangs: Whether the loop does not answer.
        """
        limit = self.timeout
        until = self.started + (limit or 0) + (0 if hangs else self.lease_ms / 1000)
        return limit is not None and time.monotonic() > until

    @property
    def is_closed(self) -> bool:
        """Whether a GeneratorExit comes from outside, the coroutine being thrown away."""
        try:
            # One that is started eagerly runs before anybody holds its asyncio task.
            return self.job is not None and asyncio.current_task() is not self.job
        except RuntimeError:
            return True

    def stop(self, reason: Reason) -> None:
        """Ask the attempt to end; the first reason stands, but for a lost lease."""
        if self.done:
            return
        if reason in {Reason.TIMEOUT, Reason.CANCELLED} and self.reason is not None:
            # It unwinds already, and is interrupted once; only a lost lease or a stop is urgent.
            return
        self.fenced = self.fenced or reason is Reason.FENCED
        if self.reason is None or reason is Reason.LOST:
            self.reason = reason
        if self._told is not None:
            self._told.set()
        if self._revoked is not None and self.revoked_now:
            self._revoked.set()
        if self.begun and self.job is not None and not self.closing:
            self.job.cancel()

    def cancel(self, wish: bytes) -> None:
        """Ask the attempt to end on somebody's request; once only, however it is heard of."""
        if self.wish is None:
            self.wish = wish
            self.stop(Reason.CANCELLED)

    @property
    def timed_out(self) -> bool:
        """Whether it is to end because it has outrun its timeout."""
        return self.reason is Reason.TIMEOUT

    @property
    def cancel_reason(self) -> str | None:
        """Why somebody cancelled the job; None where nobody did, or gave no reason."""
        errors = read_errors(self.wish or b"", self.lane.store.sealing, self.key)
        return errors[-1].message or None if errors else None

    def close(self) -> None:
        """Let nothing interrupt it any more: its task has ended, its end is to be reported."""
        self.closing, self.timeout = True, None
        if self.timer is not None:
            self.timer.cancel()

    async def extend(self, ms: int) -> None:
        """Make the lease last that long from now.

        Raises:
            LeaseLost: It is somebody else's by now.
        """
        sent = clock.now()
        lost = await self.lane.extend(self, ms)
        if lost:
            self.stop(Reason.LOST)
            raise LeaseLost(f"the lease of job {self.id} is lost: it was claimed again or removed")
        self.deadline = max(self.deadline, sent + ms / 1000 * (1 - clock.MARGIN))


def _number(text: str, default: T) -> int | T:
    return whole(text, default) if text.isdecimal() else default
