"""A queue that keeps its promises, simulated, so that its histories can be generated.

Nothing of the package is in it but the format of the events: it is the checker that is tested with
it. Chance decides what happens next: jobs come, workers claim, run, end, renew and die, replies get
lost, clocks jump, Redis is set back. A fault can be built in, and is then to be found.
"""

from __future__ import annotations

import copy
import random

from tests.support.histories import EPOCH, Book

__all__ = ["FAULTS", "SimulatedQueue"]

LEASE, DELIVERIES, ATTEMPTS = 1000, 4, 3

FAULTS = {
    "any token will do": "stale_write_accepted",
    "delays are not kept": "claimed_early",
    "the last come first": "claimed_out_of_order",
    "leases end early": "leases_overlap",
    "lost leases are not counted": "redelivered_without_cause",
    "enqueues vanish": "lost",
    "replays vanish": "lost",
    "refused jobs are added": "unexpected",
    "there is no limit": "over_limit",
    "completed jobs are queued": "revived",
    "fences stand still": "token_granted_twice",
}
"""What can be built in, and the rule that has to find it."""


class _Job:
    def __init__(self, sequence: int, priority: int, due: int) -> None:
        self.state = "scheduled" if due else "queued"
        self.sequence, self.priority, self.due, self.at = sequence, priority, due, due
        self.generation, self.failures, self.lost = 1, 0, 0
        self.fence, self.nonce, self.until = 0, "", 0


class SimulatedQueue:
    """One queue, the clients that use it, and what they write down.

    Args:
        chance: Decides what happens.
        rewinds: Whether Redis may be set back.
        fault: What is wrong with the queue, one of `FAULTS`; empty for nothing.

    Attributes:
        book: What was written down.
    """

    def __init__(self, chance: random.Random, *, rewinds: bool = False, fault: str = "") -> None:
        self.book = Book()
        self._fault = fault
        self._chance = chance
        self._jobs: dict[str, _Job] = {}
        self._fence = self._names = self._nonces = 0
        self._held: list[tuple[str, int, str]] = []
        self._skew = 0
        self._saved: tuple[dict[str, _Job], int] = ({}, 0)
        steps = [self._enqueue] * 4 + [self._claim] * 4 + [self._end] * 5 + [self._renew] * 2
        self._steps = [*steps, self._die, self._wait, self._replay, self._set_clock]
        if rewinds:
            self._steps += [self._save, self._rewind]

    def live(self, steps: int) -> Book:
        """Let that much happen, then finish all work; returns the book."""
        for _ in range(steps):
            self._chance.choice(self._steps)()
        self._held.clear()
        while any(job.state not in {"completed", "dead"} for job in self._jobs.values()):
            self.book.wait(2 * LEASE)
            self._forward()
            self._grant(len(self._jobs), read=True)
            for held in list(self._held):
                self._finish(held, "complete", "applied")
        return self.book.drained()

    @property
    def _ms(self) -> int:
        """What the clock of Redis shows when the next event is written."""
        return EPOCH + self.book.now + 1 + self._skew

    def _enqueue(self) -> None:
        chance = self._chance
        if chance.random() < 0.1 and self._jobs:
            name, new = chance.choice(list(self._jobs)), False
        else:
            self._names += 1
            name, new = f"job-{self._names}", True
        delay, priority = chance.choice([0, 0, 0, 300]), chance.choice([0, 0, 5])
        outcome = chance.choice(["ok", "ok", "ok", "applied", "not applied", "refused"])
        call = self.book.call()
        plain = not delay
        self.book.add("enqueue", name, "invoke", call=call, priority=priority, plain=plain)
        added = outcome in {"ok", "applied"} and self._fault != "enqueues vanish"
        if new and (added or (outcome == "refused" and self._fault == "refused jobs are added")):
            due = self._ms + delay if delay else 0
            self._jobs[name] = _Job(self._names, priority, due)
        if outcome in {"ok", "refused"}:
            phase = "ok" if outcome == "ok" else "fail"
            self.book.add("enqueue", name, phase, call=call, added=new)  # type: ignore[arg-type]

    def _forward(self) -> None:
        """Do what every call to Redis does first: free what is due, and what ran out."""
        for job in self._jobs.values():
            early = 600 if self._fault == "leases end early" else 0
            limit = 99 if self._fault == "there is no limit" else DELIVERIES
            if job.state == "running" and job.until < self._ms + early:
                job.lost += self._fault != "lost leases are not counted"
                job.state = "dead" if job.lost >= limit else "queued"
            elif job.state == "scheduled" and (
                job.at <= self._ms or self._fault == "delays are not kept"
            ):
                self._names += 1
                job.state, job.sequence = "queued", self._names

    def _claim(self) -> None:
        self._forward()
        self._grant(self._chance.randrange(1, 4), read=self._chance.random() < 0.9)

    def _grant(self, limit: int, *, read: bool) -> None:
        ready = [name for name, job in self._jobs.items() if job.state == "queued"]
        ready.sort(key=lambda name: (-self._jobs[name].priority, self._jobs[name].sequence))
        if self._fault == "the last come first":
            ready.reverse()
        self._nonces += 1
        call, nonce = self.book.call(), f"{self._nonces:x}"
        self.book.add("claim", phase="invoke", call=call)
        ms, asked = self._ms, self.book.now * 1_000_000 + 1
        granted = ready[:limit]
        for name in granted:
            job = self._jobs[name]
            self._fence += self._fault != "fences stand still"
            job.state, job.fence, job.nonce = "running", self._fence, nonce
            job.until = ms + LEASE
        if not read:
            # The process died, or the answer to its second copy tells no time.
            if self._chance.random() < 0.5:
                return
            ms = 0
        self.book.add("claim", call=call)
        for name in granted:
            job = self._jobs[name]
            token = f"{job.fence},{nonce}"
            self.book.add(
                "claim",
                name,
                call=call,
                token=token,
                ms=ms,
                asked=asked,
                generation=job.generation,
                failures=job.failures,
                lost=job.lost,
                deliveries=DELIVERIES,
                lease=LEASE,
                due=job.due,
            )
            self._held.append((name, job.failures, token))
        for name, failures, token in self._held[len(self._held) - len(granted) :]:
            if self._chance.random() < 0.9:
                self.book.add("start", name, token=token, attempt=failures + 1, attempts=ATTEMPTS)

    def _end(self) -> None:
        if not self._held:
            return
        held = self._chance.choice(self._held)
        kinds = ["complete", "complete", "retry", "release", "snooze", "die"]
        outcome = self._chance.choice(["applied", "applied", "unread", "unsent"])
        self._finish(held, self._chance.choice(kinds), outcome)

    def _finish(self, held: tuple[str, int, str], kind: str, outcome: str) -> None:
        name, failures, token = held
        self._held.remove(held)
        if kind == "retry" and failures + 1 >= ATTEMPTS:
            kind = "die"
        delay = self._chance.choice([0, 200]) if kind in {"retry", "snooze"} else 0
        call = self.book.call()
        self.book.add(kind, name, "invoke", call=call, token=token, delay=delay)  # type: ignore[arg-type]
        if outcome == "unsent":
            return
        self._forward()
        job, ms = self._jobs.get(name), self._ms
        accepted = job is not None and job.state == "running"
        if self._fault != "any token will do":
            accepted = accepted and job is not None and token == f"{job.fence},{job.nonce}"
        if accepted and job is not None:
            self._apply(job, kind, ms + delay if delay else 0)
        if outcome == "applied":
            phase = "ok" if accepted else "fail"
            self.book.add(kind, name, phase, call=call, token=token, ms=ms)  # type: ignore[arg-type]

    def _apply(self, job: _Job, kind: str, at: int) -> None:
        end = "queued" if self._fault == "completed jobs are queued" else "completed"
        end = end if self._chance.random() < 0.5 else "completed"
        job.state = {"complete": end, "die": "dead"}.get(kind, "queued")
        job.failures += kind == "retry"
        job.lost = 0 if kind == "release" else job.lost
        if kind in {"retry", "snooze"}:
            self._names += 1
            job.sequence = self._names
        if at:
            job.state, job.at = "scheduled", at

    def _renew(self) -> None:
        self._forward()
        for name, _, token in self._held:
            job, ms = self._jobs.get(name), self._ms
            good = job is not None and job.state == "running"
            good = good and job is not None and token == f"{job.fence},{job.nonce}"
            if good and job is not None:
                job.until = max(job.until, ms + LEASE)
            phase = "ok" if good else "fail"
            self.book.add("renew", name, phase, token=token, ms=ms, lease=LEASE)  # type: ignore[arg-type]

    def _die(self) -> None:
        self._held = self._held[: len(self._held) // 2]

    def _wait(self) -> None:
        self.book.wait(self._chance.choice([10, 400, 1500]))

    def _replay(self) -> None:
        ended = [name for name, job in self._jobs.items() if job.state in {"completed", "dead"}]
        if ended and self._chance.random() < 0.5:
            name = self._chance.choice(ended)
            call = self.book.call()
            self.book.add("replay", name, "invoke", call=call)
            job = self._jobs[name]
            self._names += 1
            if self._fault != "replays vanish":
                job.state, job.sequence = "queued", self._names
                job.generation, job.failures, job.lost = job.generation + 1, 0, 0
            # The reply to each fourth is lost.
            if self._names % 4:
                self.book.add("replay", name, call=call)

    def _set_clock(self) -> None:
        if self._chance.random() < 0.2:
            call = self.book.call()
            self.book.add("mark", phase="invoke", cause="clock", call=call)
            self._skew += self._chance.choice([-700, 700])
            self.book.add("mark", cause="clock", call=call)

    def _save(self) -> None:
        self._saved = copy.deepcopy((self._jobs, self._fence))

    def _rewind(self) -> None:
        if self._chance.random() < 0.3:
            call = self.book.call()
            self.book.add("mark", phase="invoke", cause="rewind", call=call)
            self._jobs, self._fence = copy.deepcopy(self._saved)
            self.book.add("mark", cause="rewind", call=call)
