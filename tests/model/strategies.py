"""What the rules of the machine are called with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from aiojobs_redis.duration import FOREVER_MS
from tests.model.reference.exchange import Completion
from tests.model.reference.job import Brief, Error, NewJob, Token, Unique

if TYPE_CHECKING:
    from tests.model.work import Work

IDS = ("a", "b", "c", "d", "e", "f", "g")
CRON = ("x", "y")
WORKERS = ("w1", "w2")
TASKS = ("blue", "red")
POLICIES = {None: b"f", 0: b"r", 1_000: b"c", 60_000: b"f"}


@dataclass
class Sender:
    """One process, a worker or a producer: how far it counts, what it sent and obeyed last."""

    name: str
    life: int = 1
    counter: int = 0
    sent: list[Any] = field(default_factory=list)
    obeyed: str = ""

    @property
    def incarnation(self) -> str:
        return f"{self.name}-{self.life}"

    def restart(self) -> None:
        """Begin again: whatever was under way is forgotten."""
        self.life, self.counter, self.sent, self.obeyed = self.life + 1, 0, [], ""


@dataclass(frozen=True, repr=False)
class Held(Brief):
    """A job and a token that was given for it once."""

    job: str
    token: Token


@dataclass(frozen=True, repr=False)
class End(Brief):
    """What a worker wants to say of a job."""

    held: Held
    code: str = "c"
    argument: int | None = None
    value: bytes = b""
    ms: int = 0
    names: tuple[str, ...] = ()

    def completion(self, now: int) -> Completion:
        """Return it as it is sent at this time; what puts a job off always says for how long."""
        code, delay = self.code, self.argument
        value = TASKS[self.ms > 0].encode() if code == "b" else self.value
        value = (
            (b"q", b"k", b"tplay")[len(self.held.job) % 3 if self.ms else 1]
            if code == "l"
            else value
        )
        return Completion(
            *(self.held.job, self.held.token, code),
            argument=delay or 0 if code in "tzl" else delay,
            value=POLICIES[delay] if code == "w" else value if code in "cbl" else b"",
            error=Error("E", now, 1) if code in "tdx" else None,
            ms=self.ms,
            names=(self.names or IDS[:2]) if code == "w" else (),
        )


UNIQUE = (
    *(Unique("work/k"), Unique("work/k", "started"), Unique("work/k", "window", 2_000)),
    *(Unique("work/k", "done", 1_000, extend=True), Unique("work/l%2C%0A")),
    *(Unique("work/k", "started", conflict="replace"), Unique("work/k", conflict="follow")),
)


def of_machine(choose: Callable[[Work], Any]) -> st.SearchStrategy[Any]:
    """Return a strategy that looks at the machine as it is then."""
    return st.runner().flatmap(choose)


def some_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


ids = some_of(*IDS)
seldom = some_of(False, False, False, False, True)


def without_both(new: NewJob) -> NewJob:
    """Let a job with a key not ask to go first, nor one without a key to be ranked in it."""
    rank = new.key_priority if new.key is not None else None
    return replace(new, lifo=new.lifo and new.key is None, key_priority=rank)


def made(kind: Callable[..., Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of objects that failures print without the fields at their default."""
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


# A unique key is one of a task.
new_jobs = made(
    NewJob,
    id=ids,
    task=some_of("work", "play"),
    spec=some_of(b"", b"spec", b"\n,e0\n\x00\xc1"),
    priority=some_of(None, None, 0, 5, -3),
    delay=some_of(None, None, None, 0, 1000, 5000),
    valid=some_of(None, None, None, 0, 2000),
    lease=some_of(None, None, 1000, 60_000),
    max_deliveries=some_of(None, None, 1, 2),
    max_starts=some_of(None, None, None, 1, 2),
    at_most_once=some_of(False, False, True),
    keep_dead=some_of(None, None, 0, 1000, FOREVER_MS),
    keep_cancelled=some_of(None, None, 0, 1000, FOREVER_MS),
    key=some_of(None, None, "k", "a, %41\n"),
    key_priority=some_of(None, None, 1, 7),
    lifo=seldom,
    named=st.booleans(),
    unique=some_of(None, None, None, None, *UNIQUE),
).map(lambda new: replace(without_both(new), task="work") if new.unique else without_both(new))
unique_jobs = made(
    NewJob,
    id=ids,
    delay=some_of(None, None, 1000),
    at_most_once=some_of(False, False, True),
    lifo=seldom,
    unique=some_of(*UNIQUE),
)
keyed_jobs = made(
    NewJob,
    id=ids,
    priority=some_of(None, None, 5),
    delay=some_of(None, None, 1000),
    valid=some_of(None, None, 2000),
    max_starts=some_of(None, None, 2),
    key=some_of("k", "k", "a, %41\n"),
    key_priority=some_of(None, None, 1, 7),
    unique=some_of(None, None, None, *UNIQUE),
)
children = made(
    NewJob,
    id=ids,
    key=some_of(None, "k", "k"),
    key_priority=some_of(None, None, 1),
    priority=some_of(None, None, 5),
    delay=some_of(None, None, None, 1000),
    valid=some_of(None, None, 2000),
    keep_dead=some_of(None, None, 0),
    lifo=seldom,
    on_parent_failure=some_of(*"ffrcn", "nf", "cr"),
).map(without_both)
plain_jobs = ids.map(NewJob)
tokens = of_machine(lambda machine: machine.any_token())
ends = made(
    End,
    held=tokens,
    code=some_of(*"cccttdzxbrluw"),
    argument=some_of(None, 0, 1000, 60_000),
    value=some_of(b"", b"value"),
    ms=some_of(0, 7),
    names=some_of((), IDS[:1], IDS[1:3], IDS[4:]),
)
waiting = of_machine(lambda machine: machine.any_of("scheduled", "retrying", "queued"))
unfinished = of_machine(
    lambda machine: machine.any_of("blocked", "queued", "scheduled", "retrying", "running")
)
finished = of_machine(lambda machine: machine.any_of("completed", "cancelled", "dead"))
existing = of_machine(lambda machine: machine.any_of("running", "queued", "scheduled", "completed"))
workers = some_of(*WORKERS)
known = some_of((), TASKS, TASKS[::-1], TASKS[:1], ("*",))
