"""What a recording queue writes down is what happened, and passes the check."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from aiojobs_redis import (
    Cancel,
    ConfigInvalid,
    Fail,
    HistoryReport,
    JobStateError,
    Queue,
    Snooze,
    Throttle,
    Worker,
    check_history,
    current_job,
)
from aiojobs_redis._redis.recording import SILENT, recorded_scripts
from aiojobs_redis._redis.scripts import SCRIPTS
from aiojobs_redis.history.events import Event, decode_event
from aiojobs_redis.history.journal import Journal
from tests.support.gauge import Gauge
from tests.support.proxy import Proxy, runs_script
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "history"


def events_of(folder: Path) -> list[Event]:
    return [decode_event(line) for p in folder.iterdir() for line in p.read_bytes().splitlines()]


def clean(folder: Path) -> HistoryReport:
    report = check_history(folder)
    assert report.violations == []
    return report


def kinds(folder: Path) -> Counter[str]:
    return Counter(f"{event.op} {event.phase}" for event in events_of(folder))


async def test_a_life_with_all_endings_is_written_down(queue: Queue, folder: Path) -> None:
    seen: Counter[str] = Counter()

    @queue.task(attempts=3, backoff=[0.01])
    async def work(how: str) -> None:
        seen[how] += 1
        match how if seen[how] == 1 else "well":
            case "retry":
                raise ValueError(how)
            case "snooze":
                raise Snooze(delay=0.01)
            case "cancel":
                raise Cancel("enough")
            case "dead":
                raise Fail("no")

    hows = ["well", "retry", "snooze", "cancel", "dead"]
    with queue.record_history(folder) as recorder:
        jobs = [await work.options(id=how).enqueue(how) for how in hows]
        await work.options(id="well").enqueue("well")
        await Worker(queue).run(burst=True)
        await jobs[0].retry()
        await Worker(queue).run(burst=True)
        await queue.states(hows)
        recorder.mark("drained")

    report = clean(folder)
    assert (report.enqueued, report.completed, report.executions) == (5, 3, 8)
    assert report.causes == {"failed_retry": 1, "snoozed": 1, "replay": 1}
    found = kinds(folder)
    ends = {"complete": 4, "retry": 1, "snooze": 1, "cancel": 1, "die": 1}
    assert {name: found[f"{name} ok"] for name in ends} == ends
    assert found["start ok"] == found["end ok"] == 8
    assert [e.added for e in events_of(folder) if e.op == "enqueue" and e.phase == "ok"] == [
        *[True] * 5,
        False,
    ]


async def test_a_hand_back_at_the_stop_is_the_cause_of_the_next_start(
    queue: Queue, folder: Path
) -> None:
    gauge = Gauge()

    @queue.task
    async def held() -> None:
        await gauge.pass_through()

    with queue.record_history(folder) as recorder:
        await held.enqueue()
        async with Worker(queue, grace=0):
            await wait_until(lambda: gauge.now == 1, "the job to start")
        gauge.open()
        await Worker(queue).run(burst=True)
        recorder.mark("drained")

    assert clean(folder).causes == {"released": 1}


async def test_a_lease_that_ran_out_is_the_cause_of_the_next_start(
    real_queue: Queue, folder: Path
) -> None:
    gauge = Gauge()

    @real_queue.task(lease=0.5)
    async def held() -> None:
        await gauge.pass_through()

    with real_queue.record_history(folder) as recorder:
        await held.enqueue()
        async with Worker(real_queue, grace=0) as first:
            await wait_until(lambda: gauge.now == 1, "the job to start")
            (run,) = first.runs()
            # Nobody renews it, so that another worker gets the job while this one works on.
            run.lane.release(run)
            async with Worker(real_queue):
                await wait_until(lambda: gauge.entered == 2, "the job to start again", timeout=20)
                gauge.open()
                await wait_until(lambda: gauge.now == 0, "both to end")
        recorder.mark("drained")

    assert clean(folder).causes == {"lease_expired": 1}
    refused = [event for event in events_of(folder) if event.phase == "fail"]
    # A renewal that crosses the completion of its job on the way is refused, too.
    answers = {(event.op, event.cause) for event in refused}
    assert answers <= {("complete", "lease_lost"), ("renew", "")}


async def test_lost_replies_are_copies_of_one_call(
    real_url: str, queue_name: str, folder: Path
) -> None:
    async with Proxy(real_url.removeprefix("unix://")) as proxy:
        queue = Queue(queue_name, url=proxy.url, namespace="test")

        @queue.task
        async def noop() -> None:
            pass

        with queue.record_history(folder) as recorder:
            proxy.drop_reply_of(runs_script("enqueue"))
            await noop.enqueue()
            proxy.drop_reply_of(runs_script("exchange"))
            await Worker(queue).run(burst=True)
            recorder.mark("drained")
        await queue.close()
        assert proxy.dropped()

    report = clean(folder)
    assert (report.enqueued, report.executions, report.causes) == (1, 1, {})
    asked = [e.call for e in events_of(folder) if e.op == "enqueue" and e.phase == "invoke"]
    assert len(asked) == 2
    assert len(set(asked)) == 1
    assert kinds(folder)["enqueue info"] == 1


async def test_ticks_are_enqueues(queue: Queue, folder: Path) -> None:
    gauge = Gauge()
    gauge.open()

    @queue.task
    async def pulse() -> None:
        await gauge.pass_through()

    with queue.record_history(folder):
        await queue.schedule("pulse", pulse.bind(), every=1)
        async with Worker(queue):
            await wait_until(lambda: gauge.entered >= 1, "a tick", timeout=10)
        await queue.unschedule("pulse")

    report = clean(folder)
    assert report.enqueued >= report.executions >= 1


async def test_what_a_rewind_of_redis_takes_along_is_excused_by_its_mark_only(
    own_server: ServerProcess, folder: Path
) -> None:
    queue = Queue("rewound", url=own_server.url)

    @queue.task
    async def noop() -> None:
        pass

    with queue.record_history(folder) as recorder:
        await noop.enqueue()
        await Worker(queue).run(burst=True)
        await noop.options(id="gone").enqueue()
        with recorder.fault("rewind"):
            # It keeps nothing on disk.
            own_server.restart()
        await noop.enqueue()
        await Worker(queue).run(burst=True)
        recorder.mark("drained")
    await queue.close()

    report = clean(folder)
    assert (report.completed, report.undone, report.lost) == (2, 1, 0)
    lines = recorder.path.read_bytes().splitlines(keepends=True)
    recorder.path.write_bytes(b"".join(line for line in lines if b'"rewind"' not in line))
    assert [(v.rule, v.job) for v in check_history(folder).violations] == [("lost", "gone")]


async def test_a_destroy_excuses_what_it_removed_and_a_refused_one_nothing(
    queue: Queue, folder: Path
) -> None:
    gauge = Gauge()

    @queue.task
    async def held() -> None:
        await gauge.pass_through()

    with queue.record_history(folder) as recorder:
        await held.options(id="running").enqueue()
        async with Worker(queue, concurrency=1):
            await wait_until(lambda: gauge.now == 1, "the job to start")
            await held.options(id="waiting").enqueue()
            with pytest.raises(JobStateError, match="1 running and 1 waiting jobs"):
                await queue.destroy()
            (refused,) = (event for event in events_of(folder) if event.phase == "fail")
            assert (refused.op, refused.cause) == ("mark", "destroyed")
            assert check_history(folder, drained=True).undone == 0
            await queue.destroy(force=True)
            gauge.open()
        recorder.mark("drained")

    assert clean(folder).undone >= 1


async def test_a_replay_of_a_delayed_job_is_neither_early_nor_told_its_old_time(
    queue: Queue, folder: Path
) -> None:
    found: list[tuple[datetime, datetime]] = []

    @queue.task
    async def look() -> None:
        found.append((current_job().scheduled_for, current_job().enqueued_at))

    with queue.record_history(folder) as recorder:
        job = await look.options(delay=3600).enqueue()
        await job.cancel()
        await job.retry()
        await Worker(queue).run(burst=True)
        recorder.mark("drained")

    assert clean(folder).completed == 1
    ((scheduled_for, enqueued_at),) = found
    assert scheduled_for == enqueued_at


async def test_a_job_that_vanishes_after_its_replay_is_lost(queue: Queue, folder: Path) -> None:
    @queue.task
    async def noop() -> None:
        pass

    with queue.record_history(folder) as recorder:
        await noop.options(id="cancelled", delay=60).enqueue()
        await queue.job("cancelled").cancel()
        await noop.options(id="done").enqueue()
        await Worker(queue).run(burst=True)
        for name in ("cancelled", "done"):
            assert not await queue.job(name).cancel()
            await queue.replay(name)
        async with queue.store.server.borrow() as link:
            await link.call("DEL", *queue.store.keys.values())
        recorder.mark("drained")

    found = [(v.rule, v.job, v.message) for v in check_history(folder).violations]
    assert found == [
        ("lost", name, "its replay was acknowledged, and it never ended")
        for name in ("cancelled", "done")
    ]


@pytest.mark.parametrize("how", ["limit", "for a while", "throttle"])
async def test_jobs_that_pass_those_of_a_limited_task_do_not_break_the_order(
    queue: Queue, folder: Path, how: str
) -> None:
    asked: list[str] = []

    @queue.task
    async def slow() -> None:
        if how == "throttle" and not asked:
            asked.append("wait")
            raise Throttle(1.5, scope="task")

    @queue.task
    async def quick() -> None: ...

    with queue.record_history(folder) as recorder:
        if how == "limit":
            await queue.limit(rate=(1, 1.5), task="slow")
        elif how == "for a while":
            await queue.limit_for(2, task="slow")
        first = [await slow.enqueue() for _ in range(2)]
        then = await quick.enqueue()
        async with Worker(queue, concurrency=1):
            for job in (then, *first):
                await job.result(10)
        recorder.mark("drained")

    claims = [event.job for event in events_of(folder) if event.op == "claim" and event.job]
    assert claims.index(then.id) < max(claims.index(job.id) for job in first)
    assert clean(folder).completed == 3


async def test_a_parked_job_that_the_janitor_gives_up_has_ended(queue: Queue, folder: Path) -> None:
    with queue.record_history(folder) as recorder:
        await queue.enqueue("rare", id="parked")
        await Worker(queue).run(burst=True)
        async with queue.store.server.borrow() as link:
            await link.call("ZINCRBY", queue.store.keys["blocked"], -86_400_001, "parked")
        await queue.store.ask("sweep", 250, 0, 0, 0, 0, 0, 0)
        recorder.mark("drained")

    report = clean(folder)
    assert (report.enqueued, report.lost) == (1, 0)
    assert [e.job for e in events_of(folder) if (e.op, e.cause) == ("state", "d")] == ["parked"]


async def test_a_job_that_repair_puts_among_the_dead_is_a_violation(
    queue: Queue, folder: Path
) -> None:
    with queue.record_history(folder) as recorder:
        await queue.enqueue("work", id="sound")
        await queue.enqueue("work", id="broken")
        async with queue.store.server.borrow() as link:
            await link.call("ZREM", queue.store.keys["ready"], "broken")
        await queue.store.ask("repair", 100)
        await queue.states(["sound", "broken"])
        recorder.mark("drained")

    report = check_history(folder)
    assert [(v.rule, v.job) for v in report.violations] == [
        ("lost", "sound"),
        ("corrupted", "broken"),
    ]
    assert (report.corrupt, report.lost) == (1, 1)


def test_each_script_is_recorded_or_says_nothing_of_a_job(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "q")
    recorded = recorded_scripts(journal)
    journal.close()

    changed = {name for name, script in recorded.items() if script is not SCRIPTS[name]}
    assert changed | SILENT == set(SCRIPTS)
    assert changed & SILENT == set()


async def test_a_lone_enqueue_is_written_down_too(queue: Queue, folder: Path) -> None:
    @queue.task
    async def noop() -> None:
        pass

    with queue.record_history(folder) as recorder:
        for _ in range(3):
            await noop.enqueue()
        await Worker(queue).run(burst=True)
        recorder.mark("drained")

    report = clean(folder)
    assert (report.enqueued, report.executions) == (3, 3)
    assert kinds(folder)["enqueue invoke"] == kinds(folder)["enqueue ok"] == 3


async def test_a_queue_that_does_not_record_has_nothing_on_its_way(
    queue: Queue, folder: Path
) -> None:
    assert queue.store.scripts is SCRIPTS
    with queue.record_history(folder):
        assert queue.store.scripts is not SCRIPTS
    assert queue.store.scripts is SCRIPTS
    assert queue.history is None


async def test_a_second_recorder_is_refused_until_the_first_is_closed(
    queue: Queue, folder: Path
) -> None:
    first = queue.record_history(folder)
    with pytest.raises(ConfigInvalid, match="already: close that recorder first"):
        queue.record_history(folder)
    first.close()
    with queue.record_history(folder) as second:
        first.close()
        assert queue.history is second
    assert len(list(folder.iterdir())) == 2


async def test_an_unknown_mark_is_refused(queue: Queue, folder: Path) -> None:
    with queue.record_history(folder) as recorder:
        with pytest.raises(
            ConfigInvalid, match="no mark 'rewound'; the marks are drained, restart"
        ):
            recorder.mark("rewound")
        with pytest.raises(ConfigInvalid, match="no mark 'x'"), recorder.fault("x"):
            pass
    assert kinds(folder) == {"open ok": 1}


async def test_a_disk_that_is_full_ends_the_history_and_no_job(
    queue: Queue, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = asyncio.Event()

    @queue.task
    async def work() -> None:
        done.set()

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with queue.record_history(folder) as recorder:
        resource.setrlimit(resource.RLIMIT_FSIZE, (recorder.path.stat().st_size + 100, limits[1]))
        try:
            with caplog.at_level(logging.ERROR):
                await work.enqueue()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await Worker(queue).run(burst=True)

    assert done.is_set()
    assert "ends here, it cannot be written" in caplog.text
    assert check_history(folder).torn == [str(recorder.path)]
