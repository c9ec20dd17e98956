"""What people, schedulers and accidents do to a queue at work, in any order."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from aiojobs_redis._redis.keys import KEY_NAMES
from tests.model.across import Across
from tests.model.reference.job import DAY, Error, NewJob, Unique
from tests.model.reference.queue import KEEP
from tests.model.sharing import Sharing
from tests.model.strategies import (
    CRON,
    IDS,
    TASKS,
    UNIQUE,
    End,
    existing,
    finished,
    ids,
    of_machine,
    plain_jobs,
    some_of,
    unfinished,
    waiting,
    workers,
)

__all__ = ["ENDED", "UNFINISHED", "QueueMachine"]


UNFINISHED = "queued", "scheduled", "retrying", "blocked"
ENDED = "completed", "dead", "cancelled"


class QueueMachine(Sharing, Across):
    """All the rules."""

    @precondition(lambda self: self.model.of("completed", "cancelled", "dead"))
    @rule(most=some_of(1, 10), by=some_of(0, -1))
    def sweep_when_time_is_up(self, most: int, by: int) -> None:
        """At the very millisecond for the last of them, so that the others are late already."""
        ends = [
            (job.time or 0) + (0 if job.kept else 30 * DAY if job.state == "dead" else KEEP)
            for job in self.model.of("completed", "cancelled", "dead")
            if (job.time or 0) < 10**15
        ]
        self.at(max([self.model.now, *ends]) + by)
        self.call("sweep", most)

    @precondition(lambda self: self.model.exists)
    @rule(what=some_of("worker", "producer", "operation"), by=some_of(0, 1))
    def sweep_when_somebody_is_forgotten(self, what: str, by: int) -> None:
        """At the very millisecond up to which they are remembered, or at the next one."""
        model = self.model
        ends = {
            "worker": [seen[0] + 60_000 for seen in model.workers.values()],
            "producer": [batch[1] + 60_000 for batch in model.batches.values()],
            "operation": [each[0].time + 600_000 for each in model.operations.values()],
        }[what]
        self.at(max([model.now, *ends]) + by)
        self.call("sweep", 10)

    @precondition(lambda self: self.model.jobs)
    @rule(name=unfinished | ids)
    def cancel(self, name: str) -> None:
        self.operate("cancel", name, Error("cancelled", self.model.now, 1))

    @precondition(lambda self: self.model.of("running"))
    @rule()
    def cancel_a_running_one(self) -> None:
        """Its holder hears of it with the next renewal."""
        held = self.all_held()[:1]
        self.cancel(held[0].job)
        self.renew("w1", held, 0)

    @precondition(lambda self: self.model.of("queued", "scheduled", "retrying"))
    @rule(
        name=waiting,
        what=some_of("priority", "now", "all", "in a while", "at a time", "what"),
        priority=some_of(7, 0, None),
        delay=some_of(4_000, 0),
    )
    def move(self, name: str, what: str, priority: int | None, delay: int) -> None:
        if what == "priority":
            self.operate("move", name, priority=priority or 0)
        elif what == "what":
            known = sorted(self.model.jobs)
            self.call("change", "nobody", b"", b"new")
            self.call("change", name, b"another", b"new")
            for each in known[:3]:
                self.call("change", each, self.model.jobs[each].spec, b"new" * (delay // 4_000))
        elif what == "all":
            states = ("scheduled", "retrying") if priority is None else ("scheduled",)
            names = [job.id for job in self.model.of("scheduled", "retrying")][:3]
            self.operate("promote", states, [name, *names, name, "nobody"])
        elif what == "now":
            self.operate("move", name, priority=priority, promote=True)
        elif what == "in a while":
            self.operate("move", name, priority=priority, delay=delay)
        else:
            self.operate("move", name, priority=priority, at=self.model.now + delay)

    @precondition(lambda self: not self.model.paused)
    @rule(worker=workers, first=some_of("a", "b"), second=some_of("c", "d"))
    def cancel_one_that_another_waits_for(self, worker: str, first: str, second: str) -> None:
        latest_only = Unique("work/k", "done", conflict="follow")
        self.enqueue([NewJob(first, unique=latest_only)], 0)
        self.claim(worker, 10, False)
        self.finish_all(worker, ["t"], 60_000, 0, 0)
        self.enqueue([NewJob(second, unique=latest_only)], 0)
        self.cancel(first)

    @rule(most=some_of((None, None, None), (1, 1, 1), (2, None, None), (None, 1, 2)))
    def keep(self, most: tuple[int | None, int | None, int | None]) -> None:
        self.operate("keep", most)

    @rule(paused=some_of(True, False, False))
    def pause(self, paused: bool) -> None:
        self.operate("pause", paused=paused)

    @rule(job=plain_jobs, suspects=st.booleans())
    def pause_for_a_while(self, job: NewJob, suspects: bool) -> None:
        """The markers are gone, as where workers were woken and found nothing to do."""
        self.operate("pause", paused=True)
        self.pop_the_markers()
        if not suspects:
            self.enqueue_one(job)
        self.operate("pause", paused=False)

    @precondition(lambda self: self.model.of("queued") and not self.model.paused)
    @rule(
        worker=workers,
        code=some_of(*"tz"),
        then=some_of("promote", "wait", "fill up", "cancel", "park"),
    )
    def suspects_that_wait(self, worker: str, code: str, then: str) -> None:
        """They are suspects still when their time has come, whatever else has happened."""
        self.kill_the_workers(worker, 2, worker)
        if then == "park":
            self.finish_all(worker, ["b"], None, 0, 0)
        self.finish_all(worker, [code], 1_000, 0, 0)
        if then == "promote":
            for job in self.model.of("scheduled", "retrying"):
                self.operate("move", job.id, promote=True)
        elif then == "wait":
            self.advance(1_000)
            self.beat(worker, 3_000, "")
        elif then == "park":
            self.know_more_tasks(worker, 1, TASKS)
        elif then == "fill up":
            self.enqueue_into_a_full_queue([NewJob("g")], -1)
        else:
            for job in self.model.queued(suspect=True):
                self.cancel(job.id)
        self.claim(worker, 10, False)

    @precondition(lambda self: self.model.of("completed", "cancelled", "dead"))
    @rule(names=st.lists(finished | ids, min_size=1, max_size=3, unique=True))
    def replay(self, names: list[str]) -> None:
        self.operate("replay", names)

    @precondition(lambda self: self.model.unique)
    @rule(
        key=of_machine(lambda machine: st.sampled_from(sorted(machine.model.unique))),
        other=some_of(None, None, *IDS),
    )
    def free(self, key: str, other: str | None) -> None:
        """Give up the key that a job holds, or that another one does."""
        self.operate("free", other or self.model.unique[key][0])

    @rule(
        worker=workers,
        names=st.lists(ids, min_size=1, max_size=3),
        wait=some_of(None, None, 1_000),
        how=some_of("free", "free", "cancel", "lose", "finish", "give up", "not yet"),
    )
    def follow(self, worker: str, names: list[str], wait: int | None, how: str) -> None:
        """What is to come after a job that runs, once and again, and then the end of that one."""
        key = "work/m"
        self.enqueue([NewJob("f", unique=Unique(key))], 0)
        self.claim(worker, 10, True)
        unique = Unique(key, conflict="follow")
        for name in names:
            self.enqueue([NewJob(name, delay=wait, unique=unique)], 0)
        leader, _ = self.model.unique.get(key, ("", None))
        held = [each for each in self.all_held() if each.job == leader]
        if how == "free":
            self.operate("free", leader)
        elif how == "cancel":
            self.finish(worker, [End(each, "t", 60_000) for each in held])
            self.cancel(leader)
        elif how == "lose" and held:
            self.lose_all(worker, 1)
        elif how == "finish":
            self.finish_all(worker, ["c"], None, 10, 0)
        elif how == "give up":
            self.cancel(self.model.followers.get(leader, ("", names[0]))[1])
            self.call("sweep", 10)

    @precondition(lambda self: self.model.of("completed", "cancelled", "dead"))
    @rule(name=finished, again=st.booleans())
    def replay_a_unique_one(self, name: str, again: bool) -> None:
        """After another job like it was added, or before."""
        job = self.model.jobs.get(name)
        unique = job.written.unique if job else None
        other = [NewJob("g", unique=unique)] if unique else []
        if other and not again:
            self.enqueue(other, 0)
        self.operate("replay", [name])
        if other and again:
            self.enqueue(other, 0)

    @precondition(lambda self: self.model.followers)
    @rule()
    def free_one_that_is_followed(self) -> None:
        self.operate("free", next(iter(self.model.followers)))

    @precondition(lambda self: len(self.model.jobs) > 3)
    @rule(
        names=st.lists(existing, min_size=1, max_size=2),
        states=some_of(UNFINISHED, ENDED, (*UNFINISHED, *ENDED), ("running",)),
        age=some_of(0, 0, 1_000),
        drains=some_of(False, False, True),
        waits=st.booleans(),
        again=some_of(False, False, True),
    )
    def remove(
        self,
        names: list[str],
        states: tuple[str, ...],
        age: int,
        drains: bool,
        waits: bool,
        again: bool,
    ) -> None:
        """A call that is sent again removes nothing that came in meanwhile.

        A drain is of what waits alone.
        """
        if waits:
            self.outcome(names[0], ("here",))
        drains = drains and not {*ENDED} & {*states}
        moment = self.model.now - age if drains else None
        self.operate("remove", states, age, names, moment)
        # Chance seldom meets one of these.
        done = self.model.of("completed")[:1] if not again else []
        for job in done:
            self.operate("remove", ENDED, 0, [job.id])
        if again:
            self.enqueue_one(NewJob(names[0]))
            self.send_an_operation_again()

    @precondition(lambda self: self.operated)
    @rule()
    def send_an_operation_again(self) -> None:
        """Its answer was lost; whatever has happened since, one that was noted changes nothing."""
        name, args, options = self.operated
        self.call(name, *args, **options)

    @precondition(lambda self: "k" in self.model.edges.values())
    @rule(worker=workers, then=some_of("finish", "cancel", "beat"))
    def replay_a_parent_that_others_died_of(self, worker: str, then: str) -> None:
        """They run again with it, once somebody moves things on."""
        known = self.model.jobs
        parents = [one for (one, _), at in self.model.edges.items() if at == "k" and one in known]
        if not parents:
            return
        self.operate("replay", parents[:1])
        if then == "finish":
            self.finish_the_parents(worker, "c", 3, None)
        elif then == "cancel":
            self.cancel(parents[0])
        else:
            self.beat(worker, 3_000, "")

    @precondition(lambda self: self.model.jobs)
    @rule(name=existing, channels=some_of(("",), ("here",), ("here", "there"), ("here", "here")))
    def outcome(self, name: str, channels: tuple[str, ...]) -> None:
        for channel in channels:
            self.call("outcome", name, channel)

    @precondition(lambda self: self.model.of("running"))
    @rule(worker=workers, keep=some_of(0, 1_000, None))
    def wait_for_a_result(self, worker: str, keep: int | None) -> None:
        """Somebody waits, whether or not the result was to be kept."""
        held = self.all_held()[0]
        self.outcome(held.job, ("here", "there"))
        self.finish(worker, [End(held, "c", keep, b"value")])

    @precondition(lambda self: self.model.of("running"))
    @rule()
    def destroy_a_queue_at_work(self) -> None:
        self.destroy(force=False)

    def destroy(self, force: bool, ago: int = 0) -> None:
        # UNLINK asks for no type.
        self.foreign = None
        born = self.model.born
        if self.call("destroy", born and born - ago, force=force) == -1 and not self.model.exists:
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

    @rule(paused=st.booleans(), wait=some_of(None, 60_000), stale=st.booleans())
    def replace_a_schedule(self, paused: bool, wait: int | None, stale: bool) -> None:
        """Another definition under the same id, while the first one is paused or not."""
        self.schedule("x", "a1", False, 1_000, False)
        if paused:
            self.change_schedule("x", "pause", stale, None)
        self.schedule("x", "b2", False, wait, False)

    @rule(later=some_of(0, 1))
    def forget_what_the_code_declares_no_more(self, later: int) -> None:
        """What was declared in this very millisecond stays."""
        self.schedule("y", "a1", False, 1_000, True)
        self.change_schedule("y", "remove", False, -later)

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
            self.operate("unschedule", name, None if ago is None else now - ago)
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
        stale=some_of(False, False, False, True),
        unique=some_of(*[None] * 2 * len(UNIQUE), *UNIQUE),
        most=some_of(None, None, 1),
    )
    def tick(
        self,
        callers: int,
        ticks: int,
        ends: bool,
        missed: int,
        skip: bool,
        limit: int | None,
        stale: bool,
        unique: Unique | None,
        most: int | None,
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
        line: dict[str, Any] = {} if most is None else {"key": "k", "counted": True}
        jobs = [NewJob(f"{name}:{time}", at=time, unique=unique, **line) for time in times]
        options: dict[str, Any] = {
            "then": None if ends else times[-1] + 1_000,
            "jobs": jobs,
            "last": times[-1],
            "missed": missed,
            "skip_overlap": skip,
            "limit": limit,
            "most": most,
        }
        revision = "cc" if stale else found.revision
        made = [self.call("fire", name, revision, tick, **options) for _ in range(callers)]
        assert sum(each not in (None, -1) for each in made) <= 1

    # The world

    @rule(ms=some_of(1, 500, 1_000, 5_000, 16_000, 61_000, -1, -5_000))
    def advance(self, ms: int) -> None:
        self.at(self.model.now + ms)

    @rule(ms=some_of(700_000, 3_700_000, DAY, 2 * DAY + 61_000, 31 * DAY))
    def sweep_much_later(self, ms: int) -> None:
        self.at(self.model.now + ms)
        self.call("sweep", 10)

    @rule(
        what=some_of("due", "lease", "tick", "finished", "beat", "leader"), by=some_of(0, 1, 1, -1)
    )
    def advance_to(self, what: str, by: int) -> None:
        """Go to the very millisecond at which something happens, or one beside it."""
        model = self.model
        ends = [job.time or 0 for job in model.of("completed", "dead")]
        at = {
            "due": model.next_due(),
            "lease": model.next_lease_end(),
            "tick": model.next_tick(),
            "finished": min([end for end in ends if end < 10**15], default=-1),
            "beat": (model.beat or 0) + 3_000,
            "leader": model.leader_until or 0,
        }[what]
        if model.now < at + by:
            self.at(at + by)

    @rule(
        what=some_of(
            *("leave", "crash", "crash", "arrive late", "arrive late"),
            *("crash", "flush scripts", "reload", "destroy", "force destroy"),
            *("destroy one before", "save", "save"),
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
            "destroy": lambda: self.destroy(force=False),
            "force destroy": lambda: self.destroy(force=True),
            "destroy one before": lambda: self.destroy(force=True, ago=1),
        }[what]()

    def reload_the_server(self) -> None:
        """All that is known is what can be written to a file."""
        self.real.raw.execute_command("DEBUG", "RELOAD")
        self.compare()

    @rule()
    def lose_the_last_writes(self) -> None:
        """A failover, or a power loss: Redis is as it was, and workers go on as if it were not."""
        self.load()

    @precondition(lambda self: self.model.of("queued") and not self.model.paused)
    @rule(worker=workers, code=some_of(*"ctru"))
    def claim_in_two_histories(self, worker: str, code: str) -> None:
        """A claim is lost with the last writes, and its fences are given to others."""
        self.save()
        self.claim(worker, 10, True)
        held = [End(each, code) for each in self.all_held()]
        self.lose_the_last_writes()
        self.claim(worker, 10, True)
        self.finish(worker, held)

    @rule(key=some_of(*KEY_NAMES))
    def next_call_meets_a_foreign_key(self, key: str) -> None:
        self.foreign = key
