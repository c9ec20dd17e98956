"""What producers, workers, people, schedulers and accidents do to a queue, in any order."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from aiojobs_redis._redis.keys import KEY_NAMES
from tests.model.pair import Pair
from tests.model.reference.exchange import Completion, Exchange
from tests.model.reference.job import DAY, Error, NewJob, Token
from tests.model.strategies import (
    CRON,
    WORKERS,
    End,
    Held,
    Sender,
    ends,
    ids,
    known,
    new_jobs,
    plain_jobs,
    some_of,
    tokens,
    workers,
)

__all__ = ["QueueMachine", "machine_for"]


class QueueMachine(Pair):
    """The rules; each makes calls to the real queue and to the reference alike."""

    def __init__(self) -> None:
        super().__init__()
        self.workers = {name: Sender(name) for name in WORKERS}
        self.producer = Sender("p")
        self.tokens: list[Held] = []
        self.nonces = 0

    def any_token(self) -> st.SearchStrategy[Held]:
        """Return a strategy of tokens: mostly such as are good, some that are old or never were."""
        good = [
            Held(job.id, job.token) for job in self.model.of("running") if job.token is not None
        ]
        old = [Held("a", Token(1, "f")), *self.tokens[-6:]]
        return st.sampled_from([*good * 5, *old])

    # Producers

    @initialize(jobs=st.lists(new_jobs | plain_jobs, max_size=5))
    def begin(self, jobs: list[NewJob]) -> None:
        if jobs:
            self.enqueue(jobs, 0)

    @rule(jobs=st.lists(new_jobs | plain_jobs, min_size=1, max_size=4), most=some_of(0, 0, 0, 0, 5))
    def enqueue(self, jobs: list[NewJob], most: int) -> None:
        producer = self.producer
        producer.counter += 1
        producer.sent = [*producer.sent[-1:], (producer.counter, jobs)]
        self.call("enqueue", producer.incarnation, producer.counter, jobs, most)

    @rule(job=plain_jobs)
    def enqueue_one(self, job: NewJob) -> None:
        """As a producer does: where there is no queue yet, the other script makes it."""
        producer = self.producer
        producer.counter += 1
        reply = self.call("enqueue_one", producer.incarnation, producer.counter, job)
        producer.sent = [*producer.sent[-1:], (producer.counter, job)]
        if reply == ["NONE"]:
            self.call("enqueue", producer.incarnation, producer.counter, [job])

    @rule(ago=some_of(2_000, 0, -1, -3_000), limit=some_of(None, 1_000))
    def enqueue_at(self, ago: int, limit: int | None) -> None:
        expires = None if limit is None else self.model.now + limit
        self.enqueue([NewJob("a", at=self.model.now - ago, expires=expires)], 0)

    @precondition(lambda self: self.producer.sent)
    @rule(back=some_of(-1, -1, 0))
    def resend_enqueue(self, back: int) -> None:
        """A batch whose reply was lost, or one that arrives after a later one."""
        counter, jobs = self.producer.sent[back]
        name = "enqueue_one" if isinstance(jobs, NewJob) else "enqueue"
        self.call(name, self.producer.incarnation, counter, jobs)

    # Workers

    def _exchange(self, worker: str, limit: int = 0, **options: Any) -> Exchange:
        sender = self.workers[worker]
        sender.counter += 1
        self.nonces += 1
        nonce = f"{self.nonces:x}"
        return Exchange(sender.incarnation, sender.counter, nonce, worker, limit, **options)

    def _send(self, call: Exchange) -> list[Any] | None:
        reply: list[Any] | None = self.call("exchange", call)
        if reply is not None and reply[0] == "OK":
            sender = self.workers[call.worker]
            sender.sent = [*sender.sent[-1:], call]
            self.tokens += [Held(name, Token(fence, call.nonce)) for name, _, fence, _ in reply[5]]
        return reply

    def _ended(self, all_ends: list[End]) -> tuple[Completion, ...]:
        return tuple(end.completion(self.model.now) for end in all_ends)

    @precondition(lambda self: self.model.of("queued", "scheduled", "retrying", "running"))
    @rule(worker=workers, limit=some_of(1, 2, 3, 10), suspect=some_of(True, True, False))
    def claim(self, worker: str, limit: int, suspect: bool) -> None:
        self._send(self._exchange(worker, limit, may_suspect=suspect))

    @precondition(lambda self: self.model.of("running"))
    @rule(worker=workers, all_ends=st.lists(ends, min_size=1, max_size=3))
    def finish(self, worker: str, all_ends: list[End]) -> None:
        self._send(self._exchange(worker, completions=self._ended(all_ends)))

    @precondition(lambda self: self.model.jobs)
    @rule(worker=workers, all_ends=st.lists(ends, max_size=3), limit=some_of(1, 2), adopt=known)
    def exchange(
        self, worker: str, all_ends: list[End], limit: int, adopt: tuple[str, ...]
    ) -> None:
        completions = self._ended(all_ends)
        self._send(self._exchange(worker, limit, completions=completions, adopt=adopt))

    @precondition(lambda self: self.model.of("blocked"))
    @rule(worker=workers, limit=some_of(1, 10), adopt=known)
    def know_more_tasks(self, worker: str, limit: int, adopt: tuple[str, ...]) -> None:
        self.exchange(worker, [], limit, adopt)

    @precondition(lambda self: self.model.of("running"))
    @rule(
        worker=workers,
        codes=st.lists(some_of(*"cccttdzxbr"), min_size=1, max_size=4),
        argument=some_of(None, 1_000),
        limit=some_of(0, 2, 10),
        ms=some_of(0, 7),
    )
    def finish_all(
        self, worker: str, codes: list[str], argument: int | None, limit: int, ms: int
    ) -> None:
        running = [(job.id, job.token) for job in self.model.of("running")]
        held = [Held(name, token) for name, token in running if token is not None]
        all_ends = [
            End(each, code, argument, b"value", ms)
            for each, code in zip(held, itertools.cycle(codes), strict=False)
        ]
        self._send(self._exchange(worker, limit, completions=self._ended(all_ends)))

    @precondition(lambda self: self.model.of("running"))
    @rule(worker=workers, limit=some_of(1, 10), adopt=known, ms=some_of(0, 7))
    def park_all(self, worker: str, limit: int, adopt: tuple[str, ...], ms: int) -> None:
        """Nobody knows the task, until the next worker does."""
        self.finish_all(worker, ["b"], None, 0, ms)
        self.know_more_tasks(worker, limit, adopt)

    @precondition(lambda self: self.model.of("running"))
    @rule(worker=workers, by=some_of(0, 1, 1))
    def lose_all(self, worker: str, by: int) -> None:
        """Nobody renews any more, and somebody lives who notices when the last lease has ended."""
        end = max(job.time or 0 for job in self.model.of("running"))
        self.at(max(self.model.now, end - 4_000))
        self.beat(worker, 3_000, "")
        self.at(max(self.model.now, end) + by)
        self.beat(worker, 3_000, "")

    @precondition(lambda self: self.model.of("running"))
    @rule(worker=workers, hold=some_of(4_000, 3_999))
    def come_back_after_a_silence(self, worker: str, hold: int) -> None:
        """All leases ended while nobody was there; their holders are given time to renew."""
        self.at(max(job.time or 0 for job in self.model.of("running")) + 3_001)
        self.beat(worker, 3_000, "")
        self.at(self.model.now + hold)
        self.beat(worker, 3_000, "")

    @precondition(lambda self: self.model.of("queued"))
    @rule(worker=workers, times=some_of(1, 2, 2, 3))
    def kill_the_workers(self, worker: str, times: int) -> None:
        """Whoever takes the jobs dies, and the next one too."""
        for _ in range(times):
            self.claim(worker, 10, True)
            if self.model.of("running"):
                self.lose_all(worker, 1)
        self.claim(worker, 10, True)

    @precondition(lambda self: any(each.sent for each in self.workers.values()))
    @rule(worker=workers, back=some_of(-1, -1, 0))
    def resend(self, worker: str, back: int) -> None:
        """The reply of an exchange was lost."""
        sent = self.workers[worker].sent
        if sent:
            self._send(sent[back])

    @precondition(lambda self: self.model.jobs)
    @rule(
        worker=workers,
        first=st.lists(ends, max_size=2),
        second=st.lists(ends, max_size=2),
        limits=st.tuples(some_of(0, 1, 2), some_of(0, 1, 2)),
        order=some_of("12", "21212", "1212", "122", "2"),
    )
    def two_on_their_way(
        self, worker: str, first: list[End], second: list[End], limits: tuple[int, int], order: str
    ) -> None:
        """The second names the first, so it is early where that one has not arrived."""
        one = self._exchange(worker, limits[0], completions=self._ended(first))
        two = self._exchange(worker, limits[1], completions=self._ended(second), after=one.counter)
        for which in order:
            self._send(one if which == "1" else two)

    def arrive_after_a_later_one(self, worker: str) -> None:
        """A copy of an exchange that was given up comes through after the next two."""
        old = self._exchange(worker, 1)
        self._send(self._exchange(worker, 1))
        self._send(self._exchange(worker, 1))
        self._send(old)

    @precondition(lambda self: self.tokens)
    @rule(worker=workers, all_held=st.lists(tokens, max_size=3), unread=some_of(0, 0, 1, 2))
    def renew(self, worker: str, all_held: list[Held], unread: int) -> None:
        sender = self.workers[worker]
        first = max(sender.counter - unread + 1, 1) if unread else 0
        leases = [(held.job, held.token, 15_000) for held in all_held]
        self.call("renew", sender.incarnation, first, leases)

    @rule(worker=workers, lead=some_of(3_000, 3_000, 10_000), after=some_of("", "", "blue"))
    def beat(self, worker: str, lead: int, after: str) -> None:
        incarnation = self.workers[worker].incarnation
        self.call("beat", incarnation, worker, b'{"pid":1}', lead, after)

    def leave(self, worker: str) -> None:
        """A worker that stops hands back what it holds, and takes itself off the books."""
        mine = [job for job in self.model.of("running") if job.worker == worker]
        given = [Completion(job.id, job.token, "r") for job in mine if job.token is not None]
        if given:
            self._send(self._exchange(worker, completions=tuple(given)))
        self.call("leave", self.workers[worker].incarnation, worker)
        self.workers[worker].restart()

    def crash(self, worker: str) -> None:
        """Its tokens are forgotten; the leases run out."""
        self.workers[worker].restart()

    @precondition(lambda self: self.model.jobs)
    @rule(most=some_of(1, 10), tight=some_of(False, False, False, True))
    def sweep(self, most: int, tight: bool) -> None:
        self.call("sweep", most, tight=tight)

    # People

    @precondition(lambda self: self.model.jobs)
    @rule(name=ids)
    def cancel(self, name: str) -> None:
        self.call("cancel", name, Error("cancelled", self.model.now, 1))

    @precondition(lambda self: self.model.of("running"))
    @rule()
    def cancel_a_running_one(self) -> None:
        self.cancel(self.model.of("running")[0].id)

    @precondition(lambda self: self.model.of("queued", "scheduled", "retrying"))
    @rule(
        name=ids, priority=some_of(None, 0, 7), delay=some_of(None, -1, 0, 4_000), at=st.booleans()
    )
    def move(self, name: str, priority: int | None, delay: int | None, at: bool) -> None:
        if delay is None and priority is not None:
            self.call("move", name, priority=priority)
        elif delay is None or delay < 0:
            self.call("move", name, priority=priority, promote=True)
        elif at:
            self.call("move", name, priority=priority, at=self.model.now + delay)
        else:
            self.call("move", name, priority=priority, delay=delay)

    @rule(paused=some_of(True, False, False))
    def pause(self, paused: bool) -> None:
        self.call("pause", paused=paused)

    @precondition(lambda self: self.model.of("completed", "cancelled", "dead"))
    @rule(names=st.lists(ids, min_size=1, max_size=3, unique=True))
    def replay(self, names: list[str]) -> None:
        self.call("replay", names)

    @precondition(lambda self: self.model.jobs)
    @rule(name=ids, channel=some_of("", "here", "there"))
    def outcome(self, name: str, channel: str) -> None:
        self.call("outcome", name, channel)

    def destroy(self, force: bool) -> None:
        # UNLINK asks for no type.
        self.foreign = None
        if self.call("destroy", force=force) == -1:
            self.real.forget_events()

    # Schedules

    @rule(
        name=some_of(*CRON),
        revision=some_of("a1", "b2"),
        stale=some_of(False, False, False, True),
        wait=some_of(None, 1_000, 60_000),
        declared=st.booleans(),
    )
    def schedule(
        self, name: str, revision: str, stale: bool, wait: int | None, declared: bool
    ) -> None:
        found = self.model.schedules.get(name)
        expected = "cc" if stale else found.revision if found else ""
        tick = None if wait is None else self.model.now + wait
        known = {"declared": declared, "definition": b"every\nminute"}
        self.call("schedule", name, revision, expected, tick, self.model.now, **known)

    @precondition(lambda self: self.model.schedules)
    @rule(
        name=some_of(*CRON),
        what=some_of("pause", "pause", "resume", "remove"),
        stale=some_of(False, False, True),
        ago=some_of(None, 0, 60_000),
    )
    def change_schedule(self, name: str, what: str, stale: bool, ago: int | None) -> None:
        found, now = self.model.schedules.get(name), self.model.now
        revision = "cc" if stale or found is None else found.revision
        if what == "remove":
            self.call("unschedule", name, None if ago is None else now - ago)
        else:
            paused = what == "pause"
            tick = None if paused else now + 1_000
            self.call("pause_schedule", name, revision, tick, paused=paused)

    @rule(
        callers=some_of(1, 2, 3),
        ticks=some_of(1, 1, 2),
        ends=some_of(False, False, True),
        missed=some_of(0, 2),
        skip=st.booleans(),
        limit=some_of(None, None, 2),
    )
    def tick(
        self, callers: int, ticks: int, ends: bool, missed: int, skip: bool, limit: int | None
    ) -> None:
        """Schedulers of several workers saw the same schedule due, and all of them fire it."""
        if self.model.next_tick() < 0:
            self.schedule("x", "a1", False, 1_000, False)
        due = [item for item in self.model.schedules.items() if item[1].tick is not None]
        if not due:
            return
        name, found = min(due, key=lambda item: item[1].tick or 0)
        tick = found.tick or 0
        if tick > self.model.now:
            self.advance(tick - self.model.now)
        times = [tick + number * 1_000 for number in range(ticks)]
        jobs = [NewJob(f"{name}:{time}", at=time) for time in times]
        options: dict[str, Any] = {
            "then": None if ends else times[-1] + 1_000,
            "jobs": jobs,
            "last": times[-1],
            "missed": missed,
            "skip_overlap": skip,
            "limit": limit,
        }
        revision = found.revision
        made = [self.call("fire", name, revision, tick, **options) for _ in range(callers)]
        assert sum(each is not None and each >= 0 for each in made) <= 1

    # The world

    @rule(ms=some_of(1, 500, 1_000, 5_000, 16_000, 61_000, -1, -5_000))
    def advance(self, ms: int) -> None:
        self.at(self.model.now + ms)

    @rule(ms=some_of(700_000, 3_700_000, DAY, 2 * DAY + 61_000, 31 * DAY))
    def sweep_much_later(self, ms: int) -> None:
        self.at(self.model.now + ms)
        self.call("sweep", 10)

    @rule(what=some_of("due", "lease", "tick", "finished", "beat"), by=some_of(0, 1, 1, -1))
    def advance_to(self, what: str, by: int) -> None:
        """Go to the very millisecond at which something happens, or one beside it."""
        model = self.model
        at = {
            "due": model.next_due(),
            "lease": model.next_lease_end(),
            "tick": model.next_tick(),
            "finished": min((job.time or 0 for job in model.of("completed", "dead")), default=-1),
            "beat": (model.beat or 0) + 3_000,
        }[what]
        if model.now < at + by:
            self.at(at + by)

    @rule(
        what=some_of(
            *("leave", "crash", "crash", "arrive late"),
            *("crash", "flush scripts", "reload", "destroy", "force destroy"),
            *("save", "save"),
        ),
        worker=workers,
    )
    def disturb(self, what: str, worker: str) -> None:
        """What happens now and then."""
        {
            "leave": lambda: self.leave(worker),
            "crash": lambda: self.crash(worker),
            "arrive late": lambda: self.arrive_after_a_later_one(worker),
            "flush scripts": self.real.raw.script_flush,
            "reload": self.reload_the_server,
            "save": self.save,
            "destroy": lambda: self.destroy(False),
            "force destroy": lambda: self.destroy(True),
        }[what]()

    @rule()
    def pop_the_markers(self) -> None:
        """An idle worker, and the leader, are woken by them."""
        self.real.pop_marker("wake")
        self.real.pop_marker("due")
        self.model.wake = self.model.due = False
        self.compare()

    def reload_the_server(self) -> None:
        """All that is known is what can be written to a file."""
        self.real.raw.execute_command("DEBUG", "RELOAD")
        self.compare()

    @rule()
    def lose_the_last_writes(self) -> None:
        """A failover, or a power loss: Redis is as it was, and workers go on as if it were not."""
        self.load()

    @precondition(lambda self: self.model.of("queued") and not self.model.paused)
    @rule(worker=workers, code=some_of(*"ctr"))
    def claim_in_two_histories(self, worker: str, code: str) -> None:
        """A claim is lost with the last writes, and its fences are given to others."""
        self.save()
        self.claim(worker, 10, True)
        running = [(job.id, job.token) for job in self.model.of("running")]
        held = [End(Held(name, token), code) for name, token in running if token is not None]
        self.lose_the_last_writes()
        self.claim(worker, 10, True)
        self.finish(worker, held)

    @rule(key=some_of(*KEY_NAMES))
    def next_call_meets_a_foreign_key(self, key: str) -> None:
        self.foreign = key


def machine_for(url: str, runner: asyncio.Runner) -> type[QueueMachine]:
    """Return the machine of a server, which is emptied before each example."""
    return type("QueueMachine", (QueueMachine,), {"url": url, "runner": runner, "seen": Counter()})
