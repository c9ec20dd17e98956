"""The queue: what it holds, and each way of a job from one state to another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

from tests.model.reference import abroad, flows, limits, ranks
from tests.model.reference.job import DAY, Error, Job, Options, Token
from tests.model.reference.turns import FRONT, Turns

__all__ = ["BAND", "GONE", "KEEP", "Call", "Message", "Operation", "Queue", "Round", "Schedule"]

BAND = 2**42
KEEP = 3_600_000
GONE = 2**53 - 1


class Message(NamedTuple):
    """What a process that waits for a job is told; outcome None: it has to look.

    A worker is told to ``cancel`` what it runs under a token, or to ``beat`` at once.
    """

    channel: str
    state: str
    id: str
    outcome: bytes | Error | None
    token: Token | None = None


@dataclass(frozen=True)
class Operation:
    """An exchange that was applied, and what it answered."""

    counter: int
    time: int
    nonce: str = ""
    lost: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()


@dataclass
class Schedule:
    """A schedule; `tick` is its next one, None while it is paused or over."""

    revision: str
    anchor: int
    definition: bytes
    paused: bool = False
    runs: int = 0
    missed: int = 0
    last_tick: int | None = None
    declared: int | None = None
    tick: int | None = None


@dataclass
class Call:
    """An idempotent call.

    Attributes:
        ends: Until when its result counts; None while it is being made.
        look: When it is to be looked at, to be forgotten.
        token: Of the lease under which it was taken.
        rest: What it returned, or the id of the job that makes it.
    """

    ends: int | None
    look: int
    token: Token
    rest: bytes


@dataclass(frozen=True)
class Round:
    """Who has waited for long enough to rise, of all that wait below the highest.

    Attributes:
        moment: When it began: all are judged by that.
        top: The band of the highest that waited then, to which they rise.
        last: Place and id of the last one that was looked at and stays.
    """

    moment: int
    top: int
    last: tuple[int, str] | None = None

    def lifts(self, job: Job, level: int) -> bool:
        """Whether the wait of a job makes up for its distance from there, at so many ms a level."""
        since = max(job.options.enqueued, job.options.due or 0)
        return self.moment - since >= (1023 - job.options.priority - self.top) * level


@dataclass
class Queue:
    """One queue. `now` is set by whoever drives it, before each call.

    Attributes:
        exists: From the first job or schedule on; no worker brings a destroyed queue back.
        born: When it was made.
        arrivals: The last arrival number given out.
        fronts: How many places before all arrivals were given to jobs that go first.
        keyed: How many jobs with a key were enqueued to wait for their time.
        ranked: Whether a job may go by an order of its own among those of its key.
        turns: Whose turn it is among keys.
        fence: The last fencing number given out.
        beat: When a worker was last seen.
        hold: Before this time no lease is taken away: the queue was silent, live workers come back.
        tight: Redis is nearly full, so what finished keeps nothing.
        rules: Limits by scope (limits.py).
        closed: Until when no job of a scope starts.
        limited: Of which kinds of scopes there were limits.
        started: What has started in the windows of limits.
        opens: When to look again at a scope of which jobs are held back.
        freed: Scopes of which this call has freed slots.
        counted: Scopes of which this call has started jobs.
        ageing: For how many ms a job waits to gain a level of priority, None where none does.
        round: How far claims have looked for those that have waited for long enough.
        most: Completed, cancelled and dead jobs to keep, None for more than any run has.
        wake: The marker that idle workers wait for.
        due: The marker that the leader waits for: something falls due earlier than before.
        operations: The last two exchanges of each worker incarnation, the newest first.
        batches: The last batch of each producer incarnation: counter, time, which jobs were added.
        full_at: When each key may again add as many jobs at once as its rate allows, in us.
        unique: Whose a unique key is, and until when a window keeps it.
        calls: Idempotent calls by their keys.
        followers: By the job that has a key, the key and the job that waits for its end.
        released: Whether the call let a follower go on.
        stats: How many, by minute, task and what.
        edges: How far a child is with a parent (`flows.py`).
        marks: Parents that ended, and whose children are still to be told.
        again: Jobs that run again, and those that ended because of them are to.
        parents: Of each child.
        queues: How far another queue is with a job of this one (`abroad.py`).
        outbox: Other queues, and jobs of which they are to be told.
        asked: Jobs of other queues whose end is still to be told here.
        abroad: What was told of jobs of other queues.
        sent: Number of the last message to another queue.
        handing: Until when somebody hands messages over, and who.
        words: What operators ask of workers that those have not obeyed yet.
        ended: What ended in this call, and how; `told` of them have had their children told.
        happened: What the call did, for the events: ids by kind, with the task where the call knows
            it. Whoever drives the queue empties it after each call, and `messages` too.
        reported: The job of which the call knows the task.
        messages: What those who wait were told.
    """

    now: int = 0
    exists: bool = False
    born: int | None = None
    paused: bool = False
    arrivals: int | None = None
    fronts: int | None = None
    keyed: int | None = None
    ranked: bool = False
    turns: Turns = field(default_factory=Turns)
    rules: dict[str, limits.Rule] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    limited: str = ""
    started: dict[str, limits.Started] = field(default_factory=dict)
    opens: dict[str, int] = field(default_factory=dict)
    freed: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    fence: int | None = None
    beat: int | None = None
    hold: int | None = None
    leader: str | None = None
    leader_until: int | None = None
    tight: bool = False
    ageing: int | None = None
    round: Round | None = None
    most: tuple[int | None, int | None, int | None] = (None, None, None)
    wake: bool = False
    due: bool = False
    jobs: dict[str, Job] = field(default_factory=dict)
    operations: dict[str, list[Operation]] = field(default_factory=dict)
    batches: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    full_at: dict[str, int] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    workers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    unique: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    followers: dict[str, tuple[str, str]] = field(default_factory=dict)
    released: bool = False
    stats: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    edges: dict[tuple[str, str], str] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)
    again: set[str] = field(default_factory=set)
    parents: dict[str, list[str]] = field(default_factory=dict)
    queues: dict[tuple[str, str], str] = field(default_factory=dict)
    outbox: set[tuple[str, str]] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    abroad: dict[str, abroad.Known] = field(default_factory=dict)
    sent: int | None = None
    handing: tuple[int, str] | None = None
    ended: list[tuple[str, str]] = field(default_factory=list)
    told: int = 0
    happened: dict[str, list[str]] = field(default_factory=dict)
    reported: dict[str, str] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)

    def open(self) -> None:
        """Make it exist. Fences start at the clock, to go on growing after a destroyed queue."""
        if not self.exists:
            self.exists = True
            self.arrivals, self.fence, self.beat = FRONT, self.now * 1024, self.now
            self.born = self.now

    def remember(self, call: str, answer: str = "") -> None:
        """Note what a call that changed something was answered, for when it is sent again."""
        self.batches[call] = (1, self.now, answer)

    def empty(self) -> None:
        """Forget everything, as if it had never been used."""
        fresh = Queue(now=self.now)
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))

    # Looking at it

    def of(self, *states: str) -> list[Job]:
        """Return the jobs in these states by their time, equal ones by id."""
        found = [job for job in self.jobs.values() if job.state in states]
        return sorted(found, key=lambda job: (job.time or 0, job.id.encode()))

    def queued(self, *, suspect: bool) -> list[Job]:
        """Return what is ready, or the suspects, in the order of claims."""
        found = [job for job in self.of("queued") if job.suspect is suspect]
        return sorted(found, key=lambda job: (job.place or 0, job.id.encode()))

    def next_due(self) -> int:
        """Return when the next job falls due, or a scope has to be looked at; -1 for none."""
        times = [job.time or 0 for job in self.of("scheduled", "retrying")]
        return min([*times, *(self.opens.values() if self.limited else ())], default=-1)

    def next_tick(self) -> int:
        """Return when the next schedule ticks, -1 for none."""
        return min(
            (each.tick for each in self.schedules.values() if each.tick is not None), default=-1
        )

    def next_lease_end(self) -> int:
        """Return when the next lease ends, -1 for none."""
        return min((job.time or 0 for job in self.of("running")), default=-1)

    # Into the queued ones

    def take_arrivals(self, count: int) -> int:
        """Return the first of so many new arrival numbers."""
        self.arrivals = (self.arrivals or 0) + count
        return self.arrivals - count + 1

    def make_queued(self, job: Job, place: int) -> None:
        """Let a job wait for a slot: as a suspect, alone, once it has lost two leases."""
        job.state, job.place, job.time, job.token = "queued", place, None, None
        job.suspect = job.lost >= 2
        self.wake = self.wake or not self.paused

    def come_back(self, job: Job, place: int) -> None:
        """Let a job wait at a place that claims have passed; how far they have come is kept.

        It may stand before those of its key that a round is still to look at, and rises like them.
        """
        if job.lost < 2:
            now, level = self.round if self.is_fair else None, self.ageing or 0
            if now and place // BAND > now.top and now.lifts(job, level):
                place = now.top * BAND + place % BAND
            self.keep_head(1023 - place // BAND)
        self.make_queued(job, place)

    @property
    def is_fair(self) -> bool:
        """Whether keys take turns: there is one, or may be."""
        return bool(self.turns.heads) or self.keyed is not None

    def keep_head(self, priority: int, head: int | None = None) -> None:
        """Keep how far claims have come, where keys take turns."""
        if self.is_fair:
            self.turns.keep_head(priority, self.head(priority) if head is None else head)

    def give_up_turn(self, options: Options) -> None:
        """Note that a queued job has left its place without having run."""
        if options.key is not None:
            self.turns.note_debt(options.priority, options.key, self.head(options.priority))

    def keep_floor(self, job: Job, place: int) -> None:
        """Note the turn that a suspect took."""
        if job.lost >= 2 and job.options.key is not None:
            self.turns.floors[job.options.priority, job.options.key] = place % BAND

    def enter(self, job: Job, arrival: int | None = None) -> None:
        """Let a job wait where `place` says; all of a higher priority go first."""
        self.enter_together([job], [self.place(job, arrival)])

    def place(self, job: Job, arrival: int | None = None) -> int:
        """Return the place of a job that enters now: of its key, in front, or by its arrival."""
        priority, key = job.options.priority, job.options.key
        if key is not None:
            arrival = self.turns.take(priority, key, self.head(priority))
        elif arrival is None and job.options.lifo:
            self.fronts = (self.fronts or 0) + 1
            arrival = FRONT - self.fronts
        return ranks.stand(self, job, (1023 - priority) * BAND + (arrival or self.take_arrivals(1)))

    def places(self, jobs: Sequence[Job]) -> list[int]:
        """Return the places of jobs that enter together; the arrivals are given first."""
        plain = [job for job in jobs if job.options.key is None and not job.options.lifo]
        arrivals = iter(range(self.take_arrivals(len(plain)), BAND))
        return [self.place(job, next(arrivals) if job in plain else None) for job in jobs]

    def enter_together(self, jobs: Sequence[Job], places: Sequence[int]) -> None:
        """Let jobs wait at their places, all of which were given before the first of them came."""
        for job, place in zip(jobs, places, strict=True):
            self.keep_floor(job, place)
            self.make_queued(job, place)

    def head(self, priority: int) -> int:
        """Return the first place in a priority, but for who goes first; or the last arrival."""
        places = [job.place or 0 for job in self.queued(suspect=False)]
        waiting = [place % BAND for place in places if 1023 - place // BAND == priority]
        return min((at for at in waiting if at >= FRONT), default=self.arrivals or 0)

    def put_off(self, job: Job, state: str, delay: int) -> None:
        """Let a job that ran wait for a while; without one it goes to the tail at once."""
        job.options = replace(job.options, lifo=False)
        if delay == 0:
            self.enter(job)
            return
        if state == "scheduled":
            self.note("scheduled", job.id)
        self.wait(job, state, self.now + delay)

    def wait(self, job: Job, state: str, time: int) -> None:
        """Let a job wait; the leader is rung for where no other of its kind falls due before."""
        self.due = self.due or all(time < (other.time or 0) for other in self.of(state))
        job.state, job.time = state, time
        job.place = job.order = job.token = None

    # To a worker and away from it

    def lease(self, job: Job, token: Token, worker: str, length: int | None = None) -> None:
        """Hand a job to a worker until its lease ends, its own or of another length."""
        job.state, job.token, job.suspect, job.order = "running", token, False, None
        restarted = job.options.restarted or job.started is not None
        job.options = replace(job.options, counted=False, restarted=restarted)
        if job.options.max_starts is not None:
            job.options = replace(job.options, starts=job.options.starts + 1)
        job.worker, job.started, job.time = (
            worker,
            self.now,
            self.now + (length or job.options.lease),
        )

    def complete(self, job: Job, keep: int | None, value: bytes) -> None:
        """End a job well; whoever waits finds its result for a minute, unless `keep` is 0."""
        limits.let_go(self, job)
        self.let_follow(job.id)
        waited = self.tell(job, "completed", value if keep == 0 or len(value) <= 4096 else None)
        self.note("completed", job.id)
        read_later = (keep == 0 or self.tight) and flows.needed(self, job.id)
        if read_later:
            keep = max(keep or 0, flows.HOUR)
        self.ended.append((job.id, "completed"))
        if keep == 0 or (self.tight and not waited and not read_later):
            del self.jobs[job.id]
            return
        self._end(job, "completed")
        job.result = value or None
        job.kept = keep is not None or (waited and (self.tight or self.most[0] is not None))
        if job.kept:
            job.time = self.now + max(keep or 0, 60_000 if waited else 0)

    def bury(self, job: Job, error: Error) -> None:
        """End a job that is not to be tried again."""
        self.let_follow(job.id)
        keep = job.options.keep_dead
        limits.let_go(self, job)
        self.note("dead", job.id)
        self.tell(job, "dead", error if keep == 0 or self.most[2] is not None else None)
        self.ended.append((job.id, "dead"))
        if keep == 0 and flows.needed(self, job.id):
            keep = flows.HOUR
        if keep == 0:
            del self.jobs[job.id]
            return
        job.add_error(error)
        self._end(job, "dead")
        job.time = self.now + keep - 30 * DAY

    def call_off(self, job: Job, error: Error | None = None) -> None:
        """End a job that somebody cancelled."""
        limits.let_go(self, job)
        self.let_follow(job.id)
        keep = job.options.keep_cancelled
        self.note("cancelled", job.id)
        if error is not None:
            job.add_error(error)
        whole = keep == 0 or self.most[1] is not None
        self.tell(job, "cancelled", job.errors[-1] if whole else None)
        self.ended.append((job.id, "cancelled"))
        if keep == 0 and flows.needed(self, job.id):
            keep = flows.HOUR
        if keep == 0:
            del self.jobs[job.id]
            return
        self._end(job, "cancelled")
        job.time = self.now + keep - KEEP

    def _end(self, job: Job, state: str) -> None:
        job.state, job.finished, job.time = state, self.now, self.now
        job.token = job.place = job.parked_for = job.order = None
        job.suspect = job.to_cancel = False

    def finished(self, state: str, *, kept: bool = False) -> list[Job]:
        """Return finished jobs, the oldest first; completed ones of one kind of retention."""
        return [job for job in self.of(state) if job.kept is kept]

    def excess(self, state: str, *, kept: bool = False) -> int:
        """Return how many finished jobs are too many, those that are kept for ever left aside.

        Completed ones count together, and those without a retention of their own go first. What
        goes within a minute anyway is not counted.
        """
        limit = dict(zip(("completed", "cancelled", "dead"), self.most, strict=True))[state]
        if limit is None:
            return 0
        count = sum(self._counts(job) for job in self.finished(state, kept=kept))
        if state == "completed" and not kept:
            count += sum(self._counts(job) for job in self.finished(state, kept=True))
        return count - limit

    def _counts(self, job: Job) -> bool:
        soon = self.now + 60_000 if job.kept else -1
        return soon < (job.time or 0) < 10**15

    def evict(self, state: str, until: int, most: int, *, kept: bool = False) -> int:
        """Forget the oldest finished jobs that are too many, else those whose time is up.

        With a retention of their own, those whose time is up go first.

        What a job that has not ended may still read stays for another hour.
        """
        jobs, over = self.finished(state, kept=kept), max(self.excess(state, kept=kept), 0)
        old = [job for job in jobs if (job.time or 0) <= until]
        if kept:
            old += [job for job in jobs if self._counts(job)][:over]
        elif over:
            old = jobs[:over]
        old = old[:most]
        gone = [job for job in old if not flows.needed(self, job.id)]
        for job in old:
            job.time = until + flows.HOUR
        for job in gone:
            del self.jobs[job.id]
        return len(gone)

    def make_room(self) -> None:
        """Keep to the numbers that were set, after each call that may end a job."""
        if any(self.most):
            self.evict("cancelled", self.now - KEEP, 50)
            self.evict("dead", self.now - 30 * DAY, 50)

    def let_follow(self, name: str) -> None:
        """Let go on what waited for the end of a job; it has the key from now on."""
        key, follower = self.followers.pop(name, ("", ""))
        job = self.jobs.get(follower)
        if job is not None and job.waits_for(key):
            self.unique[key] = (follower, self.unique.get(key, ("", None))[1])
            self.wait(job, "scheduled", max(self.now, job.options.due or 0))
            self.released = True

    def stop_following(self, job: Job) -> None:
        """Let a job wait for no other one any more."""
        for leader, (key, name) in list(self.followers.items()):
            if name == job.id and job.waits_for(key):
                del self.followers[leader]

    def tell(self, job: Job, state: str, outcome: bytes | Error | None) -> bool:
        """Tell those who wait for a job how it ended; whether anybody did."""
        self.messages += [Message(channel, state, job.id, outcome) for channel in job.waiters]
        waited, job.waiters = bool(job.waiters), []
        return waited

    def note(self, kind: str, *names: str) -> None:
        """Add ids to the call's entry in the events; a call that notes nothing has none."""
        if not names:
            self.happened[kind] = []
        for name in names:
            task = self.reported.get(name)
            self.happened.setdefault(f"{kind},{task}" if task else kind, []).append(name)

    def tally(self, task: str, what: str, count: int) -> None:
        """Count for the statistics of this minute."""
        if count:
            self.stats[self.now // 60_000, task, what] += count
