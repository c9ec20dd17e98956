"""Jobs claimed by hand, beside the worker: the same leases, tokens and counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import (
    Cancel,
    ConfigInvalid,
    Fail,
    Fixed,
    JobCancelled,
    JobFailed,
    JobOptions,
    JobState,
    LeaseLost,
    Queue,
    QueueUnavailable,
    ResultTooLarge,
    Retry,
    SignedCodec,
    Snooze,
    Throttle,
    Worker,
    check_history,
)
from aiojobs_redis._redis import store
from aiojobs_redis.codec import ResultNotEncodable
from aiojobs_redis.lease import Lease
from tests.redis.worker.test_bad_specs import SPECS, replace_spec
from tests.support.proxy import Proxy, runs_script
from tests.support.raw import raw
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requirement("D1")


async def one(queue: Queue, **options: Any) -> Lease:
    """Claim the one job that is to be there."""
    [lease] = await queue.claim(5, **options)
    return lease


async def test_a_claimed_job_is_the_callers_and_is_completed_by_him(queue: Queue) -> None:
    @queue.task(keep_result=60)
    async def add(a: int, b: int = 1) -> int:
        return a + b

    job = await add.options(headers={"trace": "x"}).enqueue(2, b=5)

    lease = await one(queue)

    assert (lease.job.id, lease.task, lease.args, lease.kwargs) == (job.id, "add", [2], {"b": 5})
    assert (lease.headers, lease.attempt, lease.lost_deliveries) == ({"trace": "x"}, 1, 0)
    assert lease.fencing_token > 0
    assert await job.state() is JobState.RUNNING
    assert await queue.claim(5) == []
    await lease.complete(7)
    assert await job.result(5) == 7
    info = await job.info()
    assert info is not None
    assert info.worker is not None
    assert info.worker.startswith("claim-")


async def test_arguments_are_those_of_the_task_or_plain_data(queue: Queue) -> None:
    @queue.task
    async def known(amounts: set[int]) -> None: ...

    await known.enqueue({1, 2})
    await queue.enqueue("unknown", [1, 2], at_all=True)

    first, second = await queue.claim(2)

    assert list(first.args) == [{1, 2}]
    assert (second.task, second.args, second.kwargs) == ("unknown", [[1, 2]], {"at_all": True})
    await second.complete({"any": "thing"})
    assert await second.job.result(5) == {"any": "thing"}
    await first.complete()


async def test_nothing_is_claimed_where_nothing_is_ready(queue: Queue) -> None:
    assert await queue.claim(5) == []
    await queue.enqueue("later", delay=3600)
    assert await queue.claim(5) == []
    await queue.pause()
    await queue.enqueue("now")
    assert await queue.claim(5) == []
    await queue.resume()
    assert (await one(queue)).task == "now"


@pytest.mark.parametrize("number", [0, -1, True, 1.5, 251])
async def test_the_number_of_jobs_is_checked(number: Any) -> None:
    with pytest.raises(ConfigInvalid, match="n must be a whole number from 1 to 250"):
        await Queue("x", "memory://x").claim(number)


async def test_the_length_of_a_lease_is_checked() -> None:
    with pytest.raises(ConfigInvalid, match="lease"):
        await Queue("x", "memory://x").claim(1, lease=0.1)


async def test_a_failure_is_retried_or_dead_by_the_options_of_the_task(queue: Queue) -> None:
    @queue.task(attempts=2, backoff=Fixed(0), fail_on=KeyError)
    async def work() -> None: ...

    job = await work.enqueue()
    lease = await one(queue)
    await lease.fail(ValueError("first"))
    lease = await one(queue)
    assert lease.attempt == 2
    await lease.fail("second")
    info = await job.info()
    assert info is not None
    assert info.state is JobState.DEAD
    errors = [(error.type, error.message, error.attempt) for error in info.errors]
    assert errors == [("ValueError", "first", 1), ("RuntimeError", "second", 2)]

    picky = await work.enqueue()
    await (await one(queue)).fail(KeyError("no"))
    assert await picky.state() is JobState.DEAD


async def test_options_of_the_job_and_the_queue_hold_without_the_task(queue: Queue) -> None:
    queue.defaults = JobOptions(attempts=1)
    await queue.enqueue("unknown", id="once")
    await (await one(queue)).fail("x")
    await queue.enqueue("unknown", id="twice", attempts=2, backoff=Fixed(3600))
    await (await one(queue)).fail("x")

    states = await queue.states(["once", "twice"])

    assert states == {"once": JobState.DEAD, "twice": JobState.RETRYING}


async def test_outcomes_mean_what_they_mean_in_a_task(queue: Queue) -> None:
    for error, state in (
        (Retry(delay=3600), JobState.RETRYING),
        (Snooze(delay=3600), JobState.SCHEDULED),
        (Cancel("no"), JobState.CANCELLED),
        (Fail("no"), JobState.DEAD),
    ):
        job = await queue.enqueue("any")
        await (await one(queue)).fail(error)
        assert await job.state() is state


async def test_a_throttle_closes_its_scope_and_ends_made_with_it_hold(queue: Queue) -> None:
    done = await queue.enqueue("any", id="done")
    again = await queue.enqueue("any", id="again", attempts=2, backoff=[60])
    held = await queue.enqueue("any", id="held")
    first, second, third = await queue.claim(3)

    await asyncio.gather(
        first.complete("x"), second.fail(ValueError("no")), third.fail(Throttle(60))
    )

    assert await done.result(5) == "x"
    assert await again.state() is JobState.RETRYING
    assert await held.state() is JobState.QUEUED
    counts = await queue.counts()
    assert (counts.running, counts.retrying, counts.completed) == (0, 1, 1)
    assert await queue.claim(3) == []


async def test_an_error_that_python_cannot_print_ends_the_attempt_too(queue: Queue) -> None:
    job = await queue.enqueue("any")
    offset_as_text: Any = ("page.html", 3, "7", "<% if")

    await (await one(queue)).fail(SyntaxError("bad template", offset_as_text))

    info = await job.info()
    assert info is not None
    assert (info.state, info.errors[0].type) == (JobState.RETRYING, "SyntaxError")


async def test_a_released_job_keeps_its_place_and_is_charged_nothing(queue: Queue) -> None:
    await queue.enqueue("first", id="first")
    await queue.enqueue("second", id="second")
    lease = (await queue.claim(1))[0]

    await lease.release()

    again = (await queue.claim(1))[0]
    assert (again.job.id, again.attempt, again.lost_deliveries) == ("first", 1, 0)


async def test_a_lease_that_ran_out_is_somebody_elses(queue: Queue) -> None:
    # Its own lease would be much longer.
    await queue.enqueue("any", lease=60)
    first = await one(queue, lease=0.5)
    claimed: list[Lease] = []

    async def again() -> bool:
        claimed.extend(await queue.claim(1, lease=30))
        return bool(claimed)

    await wait_until(again, "the lease to run out", 15)

    [second] = claimed
    assert (second.job.id, second.attempt, second.lost_deliveries) == (first.job.id, 1, 1)
    assert second.fencing_token > first.fencing_token
    for call in (first.complete(), first.extend()):
        with pytest.raises(LeaseLost, match="it ran out, or the job was removed"):
            await call
    await second.complete("done")
    assert await second.job.result(5) == "done"
    for call in (second.complete(), second.fail("x"), second.release(), second.extend()):
        with pytest.raises(LeaseLost, match="it was ended before"):
            await call


async def test_a_lease_is_prolonged_and_tells_of_a_cancellation(queue: Queue) -> None:
    await queue.enqueue("any", lease=1)
    lease = await one(queue)

    async def seconds_left() -> float:
        key = queue.store.keys["leases"]
        score = await raw(queue, "ZSCORE", key, lease.job.id)
        seconds, microseconds = await raw(queue, "TIME")
        return float(score) / 1000 - int(seconds) - int(microseconds) / 1e6

    assert 0 < await seconds_left() <= 1
    await lease.extend(100)
    assert 99 < await seconds_left() <= 100
    # A longer one stays.
    await lease.extend()
    assert 98 < await seconds_left() <= 100
    seen = [lease.cancelled]
    assert await lease.job.cancel("no use")
    await lease.extend()
    assert [*seen, lease.cancelled, lease.cancel_reason] == [False, True, "no use"]
    await lease.fail(Cancel())
    with pytest.raises(JobCancelled):
        await lease.job.result(5)


async def test_many_claimers_share_the_jobs(queue: Queue) -> None:
    jobs = await queue.enqueue_many([queue.bind("any", number) for number in range(600)])
    done: Counter[str] = Counter()

    async def work() -> None:
        while leases := await queue.claim(20):
            done.update(lease.job.id for lease in leases)
            await asyncio.gather(*(lease.complete(lease.args[0]) for lease in leases))

    await asyncio.gather(*(work() for _ in range(8)))

    assert done == Counter(job.id for job in jobs)
    assert (await queue.counts()).completed == 600
    assert await jobs[599].result(5) == 599


async def test_a_worker_takes_over_what_a_claimer_left(queue: Queue) -> None:
    @queue.task
    async def work() -> str:
        return "by the worker"

    job = await work.enqueue()
    await one(queue, lease=0.5)

    async with Worker(queue):
        assert await job.result(20) == "by the worker"


@pytest.mark.requirement("B3")
async def test_jobs_that_a_worker_does_not_know_are_claimed_beside_it_and_without_it(
    queue: Queue,
) -> None:
    jobs = await queue.enqueue_many([queue.bind("only_here", number) for number in range(10)])

    async def all_are_blocked() -> bool:
        return (await queue.counts()).blocked == 10

    async with Worker(queue):
        await wait_until(all_are_blocked, "the worker to park them")
        beside = await queue.claim(4)
    without = await queue.claim(10)

    assert [lease.args for lease in beside + without] == [[number] for number in range(10)]
    for lease in beside + without:
        await lease.complete(lease.args[0])
    assert [await job.result(5) for job in jobs] == [*range(10)]


async def test_results_are_checked_as_in_a_worker(queue: Queue) -> None:
    @queue.task
    async def work() -> int: ...  # type: ignore[empty-body]

    job = await work.enqueue()
    lease = await one(queue)
    with pytest.raises(ResultNotEncodable, match="must return int"):
        await lease.complete("text")
    await lease.complete(3)
    assert await job.result(5) == 3

    other = await queue.enqueue("unknown")
    lease = await one(queue)
    with pytest.raises(ResultNotEncodable, match="cannot be encoded"):
        await lease.complete(object())
    await lease.complete(b"x" * 1_048_577)
    with pytest.raises(ResultTooLarge):
        await other.result(5)


async def test_what_cannot_be_read_is_dead_and_not_handed_out(queue: Queue) -> None:
    bad = await queue.enqueue("any", id="bad")
    await replace_spec(queue, bad.id, b"\xc1")
    good = await queue.enqueue("any", id="good")

    lease = await one(queue)

    assert lease.job.id == good.id
    with pytest.raises(JobFailed, match="ArgumentsInvalid"):
        await bad.result(5)
    await lease.release()


@pytest.mark.requirement("U2")
@pytest.mark.parametrize("name", SPECS)
async def test_whatever_cannot_be_read_holds_up_no_other_job(queue: Queue, name: str) -> None:
    @queue.task
    async def echo(text: str) -> str:
        return text

    bad, good = await echo.enqueue("x"), await echo.enqueue("y")
    await replace_spec(queue, bad.id, SPECS[name])

    lease = await one(queue)

    assert lease.job.id == good.id
    await lease.complete("y")
    with pytest.raises(JobFailed) as caught:
        await bad.result(5)
    assert caught.value.message
    counts = await queue.counts()
    assert (counts.running, counts.completed, counts.dead) == (0, 1, 1)


async def test_payloads_and_results_are_sealed(server_url: str, queue_name: str) -> None:
    sealed = Queue(
        queue_name,
        server_url,
        namespace="test",
        codec=SignedCodec({"k": b"a" * 32}, current="k"),
    )
    plain = Queue(queue_name, server_url, namespace="test")
    job = await sealed.enqueue("any", 1, attempts=1)
    forged = await plain.enqueue("any", 2)
    other = await sealed.enqueue("any", 3, attempts=1)

    first, second = await sealed.claim(5)

    assert (first.args, second.args) == ([1], [3])
    await first.complete("result")
    await second.fail("why")
    assert await job.result(5) == "result"
    with pytest.raises(JobFailed, match="why"):
        await other.result(5)
    with pytest.raises(JobFailed, match="PayloadRejected"):
        await forged.result(5)
    for queue in (sealed, plain):
        await queue.close()


async def test_a_lost_reply_neither_leaks_nor_doubles(far_queue: Queue, proxy: Proxy) -> None:
    await far_queue.enqueue_many([far_queue.bind("any", number) for number in range(3)])
    exchange = runs_script("exchange")

    proxy.drop_reply_of(exchange)
    leases = await far_queue.claim(3)
    proxy.drop_reply_of(exchange)
    await leases[0].complete(0)
    proxy.drop_reply_of(exchange)
    await leases[1].fail(Fail("no"))
    proxy.drop_reply_of(exchange)
    await leases[2].release()

    assert proxy.dropped()
    counts = await far_queue.counts()
    assert (counts.completed, counts.dead, counts.queued, counts.running) == (1, 1, 1, 0)
    assert (await one(far_queue)).attempt == 1


async def test_an_end_without_an_answer_may_be_made_again(
    far_queue: Queue, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await far_queue.enqueue("any", attempts=1)
    lease = await one(far_queue)
    monkeypatch.setattr(store, "PATIENCE", 0.1)
    with proxy.losing_replies_of(runs_script("exchange")):
        with pytest.raises(QueueUnavailable):
            await lease.complete("once")
        # Another end would undo it.
        with pytest.raises(QueueUnavailable):
            await lease.fail("or not")

    with pytest.raises(LeaseLost, match="it was ended before"):
        await lease.fail("or not")
    assert await job.result(5) == "once"


async def test_of_two_ends_at_once_one_is_refused(queue: Queue) -> None:
    job = await queue.enqueue("any")
    lease = await one(queue)
    first, second = await asyncio.gather(
        lease.complete("first"), lease.complete("second"), return_exceptions=True
    )
    assert (first, type(second)) == (None, LeaseLost)
    assert await job.result(5) == "first"


async def test_the_same_end_made_again_is_told_of_the_first(
    far_queue: Queue, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await far_queue.enqueue("any")
    lease = await one(far_queue)
    monkeypatch.setattr(store, "PATIENCE", 0.1)
    with proxy.losing_replies_of(runs_script("exchange")), pytest.raises(QueueUnavailable):
        await lease.complete("once")

    await lease.complete("once")
    assert await job.result(5) == "once"


async def test_a_history_knows_of_claims_by_hand(real_queue: Queue, tmp_path: Path) -> None:
    queue = real_queue
    with queue.record_history(tmp_path) as recorder:
        await queue.enqueue_many([queue.bind("any", number, lease=9) for number in range(4)])
        ended, failed, released, left = await queue.claim(4, lease=0.5)
        await ended.complete()
        await failed.fail(Retry(delay=0))
        await released.release()
        rest: list[Lease] = []

        async def all_there() -> bool:
            rest.extend(await queue.claim(4))
            return len(rest) == 3

        await wait_until(all_there, "the lease to run out", 15)
        assert left.job.id in {lease.job.id for lease in rest}
        for lease in rest:
            await lease.complete()
        await queue.states([lease.job.id for lease in (ended, failed, released, left)])
        recorder.mark("drained")

    report = check_history(tmp_path)

    assert report.violations == []
    assert report.completed == 4
    assert report.causes == {"failed_retry": 1, "released": 1, "lease_expired": 1}
