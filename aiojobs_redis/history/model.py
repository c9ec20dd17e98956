"""A history in memory: not its events, but what they say of each job, lease and fault.

Nothing here depends on the order in which events were read, so the files of a history need not be
merged, and a lease takes a few hundred bytes however many events it had.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UNDOING", "Deed", "History", "Job", "Lease", "Mark"]

UNDOING = frozenset({"rewind", "failover", "destroyed"})
"""Causes of marks after which Redis may not know any more what it had acknowledged."""

OPEN, ACCEPTED, REFUSED = 0, 1, 2


class Deed:
    """A call about one job: an enqueue, a replay, a wish to cancel it, or the end of a lease.

    Attributes:
        call: Its name.
        kind: The operation.
        invoked: When it was first sent, ns.
        answered: When it was answered, ns; 0 while its outcome is unknown.
        outcome: `OPEN`, `ACCEPTED` or `REFUSED`.
        ms: Time of Redis when it was applied, 0 for unknown.
        delay: ms until the job is ready again.
        added: Whether an enqueue added the job.
        expires: Whether it may end without being claimed, by this enqueue.
        replaced: Whether this enqueue gave a job that was there other options.
        line: Where it was invoked.
        answer: Where it was answered, 0 for nowhere.
    """

    __slots__ = (
        "added",
        "answer",
        "answered",
        "call",
        "delay",
        "expires",
        "invoked",
        "kind",
        "line",
        "ms",
        "outcome",
        "replaced",
    )

    def __init__(self, call: str, kind: str, invoked: int, line: int) -> None:
        self.call: str = call
        self.kind: str = kind
        self.invoked: int = invoked
        self.line: int = line
        self.answered: int = 0
        self.answer: int = 0
        self.ms: int = 0
        self.delay: int = 0
        self.outcome: int = OPEN
        self.added: bool = True
        self.expires: bool = False
        self.replaced: bool = False

    @property
    def accepted(self) -> bool:
        """Whether it is known to have been applied."""
        return self.outcome == ACCEPTED

    @property
    def refused(self) -> bool:
        """Whether it is known not to have been applied."""
        return self.outcome == REFUSED

    @property
    def lines(self) -> list[int]:
        """Where it stands."""
        return [line for line in (self.line, self.answer) if line]


class Lease:
    """What one token was used for; the attributes of the claim are those of its event.

    Attributes:
        granted: When the claim was read, ns; 0 while no claim of this token is known.
        claim: Line of the claim.
        until: Time of Redis at which the lease runs out as far as is known, 0 for unknown.
        renewed: Time of Redis of the last renewal, 0 for none.
        renewal: Line of that renewal.
        started: When the attempt first started, ns; 0 for never.
        starts: Lines of its starts.
        finish: How it ended.
        more: Further calls that ended it.
    """

    __slots__ = (
        "asked",
        "attempt",
        "attempts",
        "call",
        "claim",
        "deliveries",
        "due",
        "failures",
        "fence",
        "finish",
        "generation",
        "granted",
        "life",
        "lost",
        "more",
        "ms",
        "renewal",
        "renewed",
        "started",
        "starts",
        "token",
        "until",
        "worker",
    )

    def __init__(self, token: str) -> None:
        fence = token.partition(",")[0]
        self.token: str = token
        self.fence: int = int(fence) if fence.isdecimal() else 0
        self.call: str = ""
        self.worker: str = ""
        self.asked: int = 0
        self.granted: int = 0
        self.claim: int = 0
        self.ms: int = 0
        self.until: int = 0
        self.due: int = 0
        self.renewed: int = 0
        self.renewal: int = 0
        self.started: int = 0
        self.generation: int = 1
        self.failures: int = 0
        self.lost: int = 0
        self.deliveries: int = 0
        self.attempt: int = 0
        self.attempts: int = 0
        self.life: int = 0
        self.starts: tuple[int, ...] = ()
        self.finish: Deed | None = None
        self.more: list[Deed] | None = None

    def finishes(self) -> Iterator[Deed]:
        """Yield the calls that ended it."""
        if self.finish is not None:
            yield self.finish
            yield from self.more or ()

    def accepted(self) -> Deed | None:
        """Return the call that is known to have ended it, None while there is none."""
        finish = self.finish
        if finish is None or (self.more is None and finish.outcome == ACCEPTED):
            return finish
        return next((deed for deed in self.finishes() if deed.accepted), None)

    @property
    def lines(self) -> list[int]:
        """Where it was granted and how it ended."""
        lines = [self.claim, *self.starts] if self.claim else [*self.starts]
        for deed in self.finishes():
            lines += deed.lines
        return lines


class Job:
    """What is known of one job.

    Attributes:
        id: Its id.
        queue: Name of its queue.
        enqueue: The first enqueue, None where none was recorded.
        more: Further enqueues of the same id.
        priority: As it was enqueued.
        plain: Whether its order can be judged.
        leases: Its leases.
        expiries: Times of Redis at which a lease of it was seen to run out.
        replays: Calls that asked it to run again.
        cancels: Calls that asked to cancel or to remove it.
        moved: When it was first asked to move to another time or priority, ns; 0 for never.
        corrupt: When it was put among the dead as corrupt, ns, and the line of that, each time.
        ended: When it was last read that it had ended, ns; 0 for never.
        state: Letter of the last state that was read, empty for gone.
        seen: When that was, ns; 0 for never.
        sight: Line of that.
    """

    __slots__ = (
        "cancels",
        "corrupt",
        "ended",
        "enqueue",
        "expiries",
        "id",
        "leases",
        "more",
        "moved",
        "plain",
        "priority",
        "queue",
        "replays",
        "seen",
        "sight",
        "state",
    )

    def __init__(self, job_id: str, queue: str) -> None:
        self.id: str = job_id
        self.queue: str = queue
        self.enqueue: Deed | None = None
        self.more: list[Deed] | None = None
        self.priority: int = 0
        self.plain: bool = False
        self.leases: list[Lease] = []
        self.expiries: tuple[int, ...] = ()
        self.replays: tuple[Deed, ...] = ()
        self.cancels: tuple[Deed, ...] = ()
        self.corrupt: tuple[tuple[int, int], ...] = ()
        self.moved: int = 0
        self.ended: int = 0
        self.seen: int = 0
        self.sight: int = 0
        self.state: str = ""

    def enqueues(self) -> Iterator[Deed]:
        """Yield the enqueues of its id."""
        if self.enqueue is not None:
            yield self.enqueue
            yield from self.more or ()


class Mark:
    """Something that happened to Redis, between two times of the recording machine.

    Attributes:
        cause: What.
        queue: The one queue that it happened to, empty for all.
        begin: When it began, ns.
        end: When it was over, ns.
        line: Where it stands.
    """

    def __init__(self, cause: str, queue: str, begin: int, line: int) -> None:
        self.cause = cause
        self.queue = queue
        self.begin = begin
        self.end: float = math.inf
        self.line = line


class History:
    """All that is known.

    Attributes:
        files: Names of the files; a line is a number of a file times `LINES` and its own.
        queues: The jobs of each queue by id.
        marks: Faults of Redis.
        reordered: Queues in which jobs may pass others that came before.
        drained: Lines that say that nothing is left to be done, by queue.
        claims: Calls that asked for jobs: when each was first sent, ns, by queue and call.
        answered: Those of them that were answered, as queue and call.
        granted_twice: A lease, the line of a second grant of its token, and the job of that.
        events: Number of lines.
        torn: Files whose last line is torn.
    """

    LINES = 1 << 40

    def __init__(self) -> None:
        self.files: list[str] = []
        self.queues: dict[str, dict[str, Job]] = {}
        self.marks: list[Mark] = []
        self.reordered: set[str] = set()
        self.drained: dict[str, int] = {}
        self.claims: dict[tuple[str, str], int] = {}
        self.answered: set[tuple[str, str]] = set()
        self.granted_twice: list[tuple[Lease, int, Job]] = []
        self.events = 0
        self.torn: list[str] = []

    def place(self, line: int) -> str:
        """Return a line as ``file:number``."""
        return f"{self.files[line // self.LINES]}:{line % self.LINES}"

    def unread(self, queue: str) -> list[int]:
        """Return when those calls were sent, in order, that may have claimed jobs unseen."""
        calls = self.claims.items()
        return sorted(ns for key, ns in calls if key[0] == queue and key not in self.answered)

    def stepped(self, first: int, last: int) -> bool:
        """Whether the clock of Redis may have been set between two times."""
        return any(
            mark.cause == "clock" and mark.begin <= last and first <= mark.end
            for mark in self.marks
        )

    def undone(self, queue: str, first: int, last: float) -> Mark | None:
        """Return what may have undone between two times what a queue acknowledged before."""
        for mark in self.marks_of(queue):
            if mark.cause in UNDOING and mark.begin <= last and first <= mark.end:
                return mark
        return None

    def marks_of(self, queue: str) -> list[Mark]:
        """Return the faults that a queue went through."""
        return [mark for mark in self.marks if mark.queue in {"", queue}]
