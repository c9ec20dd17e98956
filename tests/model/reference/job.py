"""What is known of a job.

scheduled ──due──▶ queued ──claim──▶ running ──▶ completed | cancelled | dead ──replay──▶ queued
▲                  │
├── due ── retrying ◀── failed, attempts left
├─ a worker knows it ── blocked ◀── nobody knows the task
└── handed back, or the lease ran out
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

__all__ = ["DAY", "FINISHED", "Brief", "Error", "Job", "NewJob", "Options", "Token", "Unique"]

DAY = 86_400_000
FINISHED = frozenset({"completed", "cancelled", "dead"})


class Brief:
    """A dataclass that shows only what is not at its default, for the steps of a failure."""

    def __repr__(self) -> str:
        found: Any = self
        shown = [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in fields(found)
            if getattr(self, each.name) != each.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


class Token(NamedTuple):
    """The right to end a job: a number that only grows, and what the claiming worker made up."""

    fence: int
    nonce: str


class Error(NamedTuple):
    """Why an attempt, or a job, failed; the message and the traceback are for people."""

    type: str
    at: int
    attempt: int


class Unique(NamedTuple):
    """Which jobs are the same as this one, and how long it keeps them out.

    Attributes:
        key: The same for all of them.
        until: ``done``, ``started``, or ``window``: nothing but the window.
        window: How long after its enqueue none of them is added, whatever becomes of it.
        extend: Whether one that is kept out starts the window again.
        conflict: What becomes of this job where another has the key: ``keep`` that one,
            ``replace`` it while it waits, or ``follow`` it while it runs.
    """

    key: str
    until: str = "done"
    window: int | None = None
    extend: bool = False
    conflict: str = "keep"


_TAKEN_OVER = (
    "priority",
    "lease",
    "max_deliveries",
    "max_starts",
    "keep_dead",
    "keep_cancelled",
    "key",
    "key_priority",
)


@dataclass(frozen=True)
class Options:
    """What a job was enqueued with, as it stands in its record.

    Attributes:
        enqueued: When.
        priority: -1024 to 1023, the higher first.
        due: When it was to be ready, where a delay, a time or a tick was given.
        arrival: The arrival number of a job that had to wait for its time.
        lease: How long a worker holds it without renewing.
        max_deliveries: Leases that may run out.
        max_starts: How often it may start in a generation; None for any number.
        starts: How often it has, where that is limited.
        restarted: Whether it had started before, in its generation, when it was last claimed.
        windows: Those in which its last claim under limits was counted, and the task for that.
        at_most_once: Whether it is never handed out again.
        expires: After this time it is not started.
        keep_dead: How long it is kept once it is dead.
        keep_cancelled: How long once it is cancelled.
        key: Whose job it is; keys take turns.
        key_priority: Among those of its key, the higher first.
        lifo: Whether it goes before all of its priority; it has, once it was put off.
        counted: Whether it counts among those of its key that have not started.
        unique: Which others it keeps out.
        began: Since when its steps count: a generation, or the start before its arguments changed.
        task: Its task, where the header names it.
        on_parent_failure: What a job that depends on others does when one of them fails: ``f``
            fails too, ``c`` is cancelled, ``r`` runs all the same.
        named: On how many it depended when it first named jobs to wait for; None where it has not.
    """

    enqueued: int
    priority: int = 0
    due: int | None = None
    arrival: int | None = None
    lease: int = 15_000
    max_deliveries: int = 3
    max_starts: int | None = None
    starts: int = 0
    restarted: bool = False
    windows: str | None = None
    at_most_once: bool = False
    expires: int | None = None
    keep_dead: int = 30 * DAY
    keep_cancelled: int = 3_600_000
    key: str | None = None
    key_priority: int = 0
    lifo: bool = False
    counted: bool = False
    unique: Unique | None = None
    began: int = 1
    task: str | None = None
    on_parent_failure: str | None = None
    named: int | None = None


@dataclass(frozen=True, repr=False)
class NewJob(Brief):
    """A job as its producer sends it: `delay` and `valid` count from the time of the server.

    Where it is `named`, its header says of which task it is: `task`, by which it is counted, or
    `runs`, where it took the place of another one of its call.
    """

    id: str
    task: str = "work"
    spec: bytes = b""
    priority: int | None = None
    delay: int | None = None
    at: int | None = None
    valid: int | None = None
    expires: int | None = None
    lease: int | None = None
    max_deliveries: int | None = None
    max_starts: int | None = None
    at_most_once: bool = False
    keep_dead: int | None = None
    keep_cancelled: int | None = None
    key: str | None = None
    key_priority: int | None = None
    lifo: bool = False
    counted: bool = False
    unique: Unique | None = None
    named: bool = False
    runs: str | None = None
    parents: tuple[str, ...] = ()
    on_parent_failure: str = "f"

    def options(self, now: int) -> Options:
        """Return what is recorded of it when it is added now."""
        options = Options(
            now,
            due=self.at if self.delay is None else now + self.delay,
            expires=self.expires if self.valid is None else now + self.valid,
            at_most_once=self.at_most_once,
            lifo=self.lifo,
            counted=self.counted and self.key is not None,
            unique=self.unique,
            task=(self.runs or self.task) if self.named else None,
            on_parent_failure=self.on_parent_failure if self.parents else None,
        )
        for name in _TAKEN_OVER:
            value = getattr(self, name)
            if value is not None:
                options = replace(options, **{name: value})
        return options


@dataclass
class Job:
    """A job and where it is now.

    Attributes:
        written: Its options, kept as long as the job: a replay goes by them.
        options: Those in force now.
        state: One of the words of the picture above.
        place: Where it stands, or stood when it was claimed, among the queued; the lowest is next.
        suspect: Whether it is queued apart, since it may kill its worker.
        time: When a waiting job falls due, a lease ends, a job was parked or has finished; for a
            kept one, when it goes.
        kept: Whether a completed one has a retention of its own.
        token: Of its current lease.
        generation: 1, and one more with each replay.
        failures: Attempts that failed in this generation.
        lost: Leases that ran out since it was last in good hands.
        to_cancel: Whether somebody asked to cancel it while it ran.
        parked_for: The task that no worker knew.
        slots: Scopes of limits of which it holds a slot.
        held_back: The scope of which the limit was reached when it was to start.
        turn: Where it stands among those that the limit of its task holds back, where that is not
            its place.
        order: By which place it goes among those of its key, where it has a priority there, or gave
            its turn to one that has.
        worker: Its last holder.
        started: Its last claim in this generation.
        finished: When it ended.
        errors: What was recorded of the last ten errors.
        waiters: Channels of processes that wait for its end.
        progress: What it said last of how far it is.
        log: Its log, but for the last of it, which is in `new_log`.
        saved: Its state.
        steps: The steps that it has done, but for the last ones, which are in `new_steps`.
        said: Fence and number of the last note of each kind.
    """

    id: str
    spec: bytes
    written: Options
    options: Options
    state: str = "queued"
    place: int | None = None
    suspect: bool = False
    time: int | None = None
    kept: bool = False
    token: Token | None = None
    generation: int = 1
    failures: int = 0
    lost: int = 0
    to_cancel: bool = False
    parked_for: str | None = None
    slots: tuple[str, ...] = ()
    held_back: str | None = None
    turn: int | None = None
    order: int | None = None
    worker: str = ""
    started: int | None = None
    finished: int | None = None
    result: bytes | None = None
    errors: list[Error] = field(default_factory=list)
    waiters: list[str] = field(default_factory=list)
    progress: bytes | None = None
    log: list[bytes] = field(default_factory=list)
    new_log: list[bytes] = field(default_factory=list)
    saved: bytes | None = None
    steps: list[bytes] = field(default_factory=list)
    new_steps: list[bytes] = field(default_factory=list)
    said: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def limited_task(self) -> str | None:
        """The task by whose limit it is held, or holds a slot."""
        scopes = [*self.slots, *([self.held_back] if self.held_back else [])]
        return next((scope[1:].partition("/")[0] for scope in scopes if scope[0] in "bt"), None)

    @property
    def ended(self) -> bool:
        """Whether it is completed, cancelled or dead."""
        return self.state in FINISHED

    def has_expired(self, now: int) -> bool:
        """Whether it will not start any more."""
        return self.started is None and (self.options.expires or now) < now

    def holds(self, key: str, now: int) -> bool:
        """Whether its own state keeps out others of that key."""
        unique = self.options.unique
        if unique is None or unique.key != key or self.ended or self.has_expired(now):
            return False
        return unique.until == "done" or (unique.until == "started" and self.started is None)

    def waits_for(self, key: str) -> bool:
        """Whether it is blocked until another one with this key has ended."""
        unique = self.options.unique
        return (
            self.state == "blocked" and not self.parked_for and bool(unique and unique.key == key)
        )

    def give_up(self, key: str, now: int) -> None:
        """Keep no others out any more in this life; a replay goes by what was written."""
        if self.holds(key, now):
            self.options = replace(self.options, unique=None)

    @property
    def carries(self) -> bool:
        """Whether its next holder has something to read first: a state or steps."""
        return "s" in self.said or "c" in self.said

    def begin_anew(self) -> None:
        """Forget what earlier generations did; the log is the history."""
        self.saved, self.steps, self.new_steps = None, [], []
        self.said.pop("s", None)
        self.said.pop("c", None)

    def begin_with_others(self) -> None:
        """Forget what it did with other arguments than it has now."""
        if self.generation == 1 and self.started is None:
            return
        self.begin_anew()
        self.progress = None
        self.said.pop("p", None)
        began = self.generation if self.started is None else self.started
        self.options = replace(self.options, began=began)
        self.written = replace(self.written, began=began)

    def add_error(self, error: Error) -> None:
        """Record an error; the last ten are kept."""
        self.errors = [*self.errors, error][-10:]
